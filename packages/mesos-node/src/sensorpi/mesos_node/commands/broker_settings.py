"""The options of `sensorpi kafka broker add` and `update`: what a broker is given."""

import argparse
import math
from dataclasses import fields

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.engines.engine import BrokerSettings
from sensorpi.mesos_node.notation.constraints import parse_constraints
from sensorpi.mesos_node.notation.expressions import port_range, seconds
from sensorpi.mesos_node.notation.expressions import settings as parse_settings

_NAMES = {each.name for each in fields(BrokerSettings)} - {"reset"}


def add_settings_options(command: argparse.ArgumentParser) -> None:
    """Add an option for each setting; its name in the result is that of the setting."""
    command.add_argument("--cpus", metavar="N", help="share of processors, such as 0.5")
    command.add_argument("--mem", dest="mem_mb", metavar="MB", help="memory of the whole broker")
    command.add_argument("--heap", dest="heap_mb", metavar="MB", help="heap of its JVM")
    command.add_argument("--port", metavar="PORT", help="for clients: 7010, or a range such as 31000..31100")
    command.add_argument("--constraints", metavar="LIST", help="such as hostname=like:worker0[12],rack=unique")
    command.add_argument("--options", metavar="LIST", help="Kafka's properties, such as num.io.threads=4,…")
    command.add_argument("--jvm-options", metavar="WORDS", help="for the JVM, as --jvm-options=-X…")
    command.add_argument(
        "--stickiness-period",
        dest="stickiness_period_s",
        metavar="TIME",
        help="how long a broker without data is kept for the host that it ran on last",
    )
    command.add_argument(
        "--failover-delay",
        dest="failover_delay_s",
        metavar="TIME",
        help="wait after the first failure; doubles each time",
    )
    command.add_argument(
        "--failover-max-delay", dest="failover_max_delay_s", metavar="TIME", help="maximum of that wait"
    )
    command.add_argument(
        "--failover-max-tries",
        dest="failover_max_tries",
        metavar="N",
        help="stop the broker after this many failures (a controller is never stopped)",
    )


def add_data_host_option(command: argparse.ArgumentParser) -> None:
    """Add `--data-host`, which only `update` has."""
    command.add_argument(
        "--data-host",
        metavar="HOST",
        help='the broker\'s data is on this host from now on ("": nowhere); a task that is lost is given up',
    )


def settings_of(options: argparse.Namespace) -> BrokerSettings:
    """The settings that were given; an empty one returns to its default. Raises ``UserError``."""
    given: dict[str, str] = {name: text for name, text in vars(options).items() if name in _NAMES and text is not None}
    reset = frozenset(name for name, text in given.items() if not text)
    texts = {name: text for name, text in given.items() if text}
    parse_constraints(texts.get("constraints", ""))
    parse_settings(texts.get("options", ""), "an option")
    for each in texts["port"].split(",") if "port" in texts else ():
        port_range(each)
    return BrokerSettings(
        cpus=_number(texts, "cpus", "--cpus"),
        mem_mb=_number(texts, "mem_mb", "--mem"),
        heap_mb=_whole(texts, "heap_mb", "--heap"),
        port=texts.get("port"),
        constraints=texts.get("constraints"),
        options=texts.get("options"),
        jvm_options=texts.get("jvm_options"),
        stickiness_period_s=_seconds(texts, "stickiness_period_s"),
        failover_delay_s=_seconds(texts, "failover_delay_s"),
        failover_max_delay_s=_seconds(texts, "failover_max_delay_s"),
        failover_max_tries=_whole(texts, "failover_max_tries", "--failover-max-tries"),
        data_host=texts.get("data_host"),
        reset=reset,
    )


def _number(texts: dict[str, str], name: str, option: str) -> float | None:
    if name not in texts:
        return None
    try:
        number = float(texts[name])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f'{option} "{texts[name]}": expected a number')
    return number


def _whole(texts: dict[str, str], name: str, option: str) -> int | None:
    number = _number(texts, name, option)
    if number is not None and not number.is_integer():
        raise UserError(f'{option} "{texts[name]}": expected a whole number')
    return None if number is None else int(number)


def _seconds(texts: dict[str, str], name: str) -> float | None:
    return seconds(texts[name]) if name in texts else None

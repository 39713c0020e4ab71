"""`sensorpi kafka broker`: the brokers as the operator commands them, on either engine."""

import argparse
import json
import math
from typing import Any

from sensorpi.common.cli.node_context import add_config_option
from sensorpi.common.cluster.model import FILE_NAME, load
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.commands.broker_table import table
from sensorpi.mesos_node.engines import mesos as mesos_commands
from sensorpi.mesos_node.engines import standalone as standalone_commands
from sensorpi.mesos_node.notation.constraints import parse_constraints
from sensorpi.mesos_node.notation.expressions import port_range, seconds
from sensorpi.mesos_node.notation.expressions import settings as parse_settings

_EXPRESSION = "which brokers: 0 or 0,1 or 0..2 or * or *[hostname=worker*]"

#: How long `start` and `stop` wait, and `restart` for each broker.
_WAIT = "2m"
_RESTART_WAIT = "5m"

_HELP = {
    "add": "declare new brokers; `start` runs them",
    "update": 'change settings; "" goes back to the default; a running broker keeps its own until it is restarted',
    "remove": "forget stopped brokers; their data stays",
    "start": "run brokers, and wait until they listen",
    "stop": "stop brokers, and wait until they have stopped",
    "restart": "restart brokers one after the other, each when all replicas are in sync",
    "list": "show the brokers",
    "log": "show the last lines of a broker's log",
}


def add_broker_commands(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `broker` and its actions to `sensorpi kafka`."""
    broker = actions.add_parser("broker", help="add, start, stop, restart and list brokers")
    commands = broker.add_subparsers(metavar="ACTION", required=True)
    for name, text in _HELP.items():
        command = commands.add_parser(name, help=text, allow_abbrev=False)
        add_config_option(command)
        command.add_argument("--json", action="store_true", help="print JSON")
        if name == "list":
            command.add_argument("brokers", nargs="?", default="*", metavar="BROKERS", help=_EXPRESSION)
        else:
            command.add_argument("brokers", metavar="BROKERS", help=_EXPRESSION)
        if name in ("add", "update"):
            _add_settings(command)
        if name == "update":
            command.add_argument(
                "--data-host",
                metavar="HOST",
                help='the broker\'s data is on this host from now on ("": nowhere); its lost task is given up',
            )
        if name in ("start", "stop", "restart"):
            default = _RESTART_WAIT if name == "restart" else _WAIT
            what = "for each broker" if name == "restart" else "for all; 0 does not wait"
            command.add_argument("--timeout", default=default, metavar="TIME", help=f"{what} (default: %(default)s)")
        if name == "log":
            command.add_argument("--stderr", action="store_true", help="standard error instead of standard output")
        command.set_defaults(run=_run, action=name)


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--cpus", metavar="N", help="shares of processors")
    command.add_argument("--mem", metavar="MB", help="memory of the whole broker")
    command.add_argument("--heap", metavar="MB", help="heap of its JVM")
    command.add_argument("--port", metavar="PORT", help="of its clients: 7010, or a range such as 31000..31100")
    command.add_argument("--constraints", metavar="LIST", help="such as hostname=like:worker0[12],rack=unique")
    command.add_argument("--options", metavar="LIST", help="Kafka's properties, such as num.io.threads=4,…")
    command.add_argument("--jvm-options", metavar="WORDS", help="for the JVM, as --jvm-options=-X…")
    command.add_argument("--stickiness-period", metavar="TIME", help="without data, so long only its last host will do")
    command.add_argument("--failover-delay", metavar="TIME", help="wait after the first failure; doubles with each")
    command.add_argument("--failover-max-delay", metavar="TIME", help="and is at most this")
    command.add_argument("--failover-max-tries", metavar="N", help="then it is stopped (a controller never is)")


def _run(options: argparse.Namespace) -> int:
    cluster = load(options.config / FILE_NAME)
    engine = mesos_commands if cluster.engine == "mesos" else standalone_commands
    if options.action == "list":
        brokers = engine.brokers(cluster, options.config, options.brokers)
        print(json.dumps({"brokers": brokers}, indent=2) if options.json else table(brokers))
        return 0
    if options.action == "log":
        text = engine.broker_log(cluster, options.config, options.brokers, stderr=options.stderr)
        print(json.dumps({"text": text}) if options.json else text, end="\n" if options.json else "")
        return 0
    given: dict[str, Any] = _settings(options) if options.action in ("add", "update") else {}
    timeout_s = seconds(options.timeout) if "timeout" in options else 0.0
    result = engine.command_brokers(cluster, options.config, options.action, options.brokers, given, timeout_s)
    if options.json:
        print(json.dumps(result))
    elif result["status"] == 0:
        print(f"{options.action}: {', '.join(result['workloads'])}")
    status: int = result["status"]
    return status


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, as the scheduler takes them; "" becomes None. Raises ``UserError``."""
    given = {
        "cpus": _number(options.cpus, "--cpus"),
        "mem_mb": _number(options.mem, "--mem"),
        "heap_mb": _whole(options.heap, "--heap"),
        "port": options.port,
        "constraints": options.constraints,
        "options": options.options,
        "jvm_options": options.jvm_options,
        "stickiness_period_s": _time(options.stickiness_period),
        "failover_delay_s": _time(options.failover_delay),
        "failover_max_delay_s": _time(options.failover_max_delay),
        "failover_max_tries": _whole(options.failover_max_tries, "--failover-max-tries"),
        "data_host": getattr(options, "data_host", None),
    }
    parse_constraints(options.constraints or "")
    parse_settings(options.options or "", "an option")
    for each in (options.port or "").split(",") if options.port else ():
        port_range(each)
    return {name: None if value == "" else value for name, value in given.items() if value is not None}


def _number(text: str | None, option: str) -> float | str | None:
    if not text:
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f'{option} "{text}": expected a number')
    return number


def _whole(text: str | None, option: str) -> int | str | None:
    number = _number(text, option)
    if isinstance(number, float) and not number.is_integer():
        raise UserError(f'{option} "{text}": expected a whole number')
    return int(number) if isinstance(number, float) else number


def _time(text: str | None) -> float | str | None:
    return seconds(text) if text else text

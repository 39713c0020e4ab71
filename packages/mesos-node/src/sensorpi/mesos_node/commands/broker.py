"""`sensorpi kafka broker`: add, start, stop, restart and list brokers, on either engine."""

import argparse
import json

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, Run, run_with_context
from sensorpi.mesos_node.commands.broker_settings import add_data_host_option, add_settings_options, settings_of
from sensorpi.mesos_node.commands.broker_table import table
from sensorpi.mesos_node.commands.output import print_log, print_result
from sensorpi.mesos_node.commands.state_json import broker_json
from sensorpi.mesos_node.engines.choice import engine_of
from sensorpi.mesos_node.engines.engine import Stream
from sensorpi.mesos_node.notation.expressions import seconds

_EXPRESSION = "which brokers: 0 or 0,1 or 0..2 or * or *[hostname=worker*]"

#: The default of --timeout: for all brokers together, and for each that is restarted.
_WAIT = "2m"
_RESTART_WAIT = "5m"


def add_broker_commands(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `broker` and its actions to `sensorpi kafka`."""
    broker = actions.add_parser("broker", help="add, start, stop, restart and list brokers")
    commands = broker.add_subparsers(metavar="ACTION", required=True)
    add = _command(commands, "add", _add, "declare new brokers; `start` runs them")
    add_settings_options(add)
    about = 'change settings; "" returns to the default; a running broker keeps its settings until it is restarted'
    update = _command(commands, "update", _update, about)
    add_settings_options(update)
    add_data_host_option(update)
    _command(commands, "remove", _remove, "remove stopped brokers; their data stays")
    start = _command(commands, "start", _start, "start brokers, and wait until they listen")
    _add_timeout_option(start, _WAIT, "maximum wait for all brokers; 0 does not wait")
    stop = _command(commands, "stop", _stop, "stop brokers, and wait until they have stopped")
    _add_timeout_option(stop, _WAIT, "maximum wait for all brokers; 0 does not wait")
    about = "restart brokers one after the other, each when all replicas are in sync"
    restart = _command(commands, "restart", _restart, about)
    _add_timeout_option(restart, _RESTART_WAIT, "maximum wait for each broker")
    _command(commands, "list", _list, "show the brokers", default="*")
    log = _command(commands, "log", _log, "show the last lines of a broker's log")
    log.add_argument("--stderr", action="store_true", help="standard error instead of standard output")


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Run,
    about: str,
    default: str | None = None,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about, allow_abbrev=False)
    run_with_context(command, run)
    command.add_argument("--json", action="store_true", help="print JSON")
    nargs = None if default is None else "?"
    command.add_argument("brokers", nargs=nargs, default=default, metavar="BROKERS", help=_EXPRESSION)
    return command


def _add_timeout_option(command: argparse.ArgumentParser, default: str, about: str) -> None:
    command.add_argument("--timeout", default=default, metavar="TIME", help=f"{about} (default: %(default)s)")


def _add(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    return print_result("add", engine_of(context).add_brokers(options.brokers, settings_of(options)), options.json)


def _update(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    result = engine_of(context).update_brokers(options.brokers, settings_of(options))
    return print_result("update", result, options.json)


def _remove(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    return print_result("remove", engine_of(context).remove_brokers(options.brokers), options.json)


def _start(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    result = engine_of(context).start_brokers(options.brokers, seconds(options.timeout))
    return print_result("start", result, options.json)


def _stop(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    result = engine_of(context).stop_brokers(options.brokers, seconds(options.timeout))
    return print_result("stop", result, options.json)


def _restart(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    result = engine_of(context).restart_brokers(options.brokers, seconds(options.timeout))
    return print_result("restart", result, options.json)


def _list(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    brokers = engine_of(context).list_brokers(options.brokers)
    if options.json:
        print(json.dumps({"brokers": [broker_json(each) for each in brokers]}, indent=2))
    else:
        print(table(brokers))
    return ExitCode.OK


def _log(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    stream = Stream.STDERR if options.stderr else Stream.STDOUT
    return print_log(engine_of(context).broker_log(options.brokers, stream), options.json)

"""`sensorpi sensor read|probe|run|recover`: the commands of a sensor node."""

import argparse
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.errors import UserError
from sensorpi.common.reading import DEFAULT_SENSOR, FIELD_UNITS, NAME, NAME_RULE, Reading

if TYPE_CHECKING:  # the rest is imported when a command runs, so that others start fast on a Pi Zero
    from sensorpi.common.cli.node_context import NodeContext
    from sensorpi.sensor.board.emulated.board import EmulatedBoard
    from sensorpi.sensor.board.emulated.environment import Environment
    from sensorpi.sensor.board.real_board import RealBoard

STATE_DIRECTORY = "/var/lib/sensorpi/sensor"


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `sensor` and its own commands."""
    sensor = subparsers.add_parser("sensor", help="the EnviroPhat: read, probe, run, recover")
    commands = sensor.add_subparsers(metavar="COMMAND", required=True)
    board = argparse.ArgumentParser(add_help=False)
    board.add_argument(
        "--board",
        choices=("envirophat", "emulated"),
        default="envirophat",
        help="the real board, or one emulated at register level (default: envirophat)",
    )
    board.add_argument(
        "--cpu-heat-factor",
        type=_positive,
        metavar="F",
        help="lower the temperature by (CPU - measured) / F, and keep the measured one as temperature_raw",
    )

    read = commands.add_parser("read", parents=[board], help="print one reading")
    read.add_argument("--json", action="store_true", help="as the message that goes to Kafka")
    read.set_defaults(run=_read)

    probe = commands.add_parser("probe", parents=[board], help="report which chips answer and what is wrong")
    probe.set_defaults(run=_probe)

    run = commands.add_parser("run", parents=[board], help="take readings and publish them to Kafka")
    run.add_argument(
        "--bootstrap-servers",
        type=_servers,
        metavar="HOST:PORT[,…]",
        help="Kafka brokers (default: those of cluster.toml)",
    )
    run.add_argument(
        "--sensor", type=_name, default=DEFAULT_SENSOR, metavar="ID", help="sensor id (default: %(default)s)"
    )
    run.add_argument(
        "--host", type=_name, metavar="NAME", help="this node (default: as in cluster.toml, or its host name)"
    )
    run.add_argument(
        "--rate", type=_positive, metavar="R", help="readings per second (default: as in cluster.toml, or 1)"
    )
    run.add_argument(
        "--for", dest="for_s", type=_positive, metavar="SECONDS", help="end this long after the first reading"
    )
    run.add_argument(
        "--seed", type=int, default=1, help="seed of the random numbers of the synthetic environment (default: 1)"
    )
    run.add_argument("--replay", type=Path, metavar="FILE", help="play a recording on the emulated board")
    run.add_argument(
        "--map", metavar="MAP", help="its column mapping: a shipped name or a TOML file; readings for JSON lines"
    )
    run.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N|max", help="how many times faster than recorded (default: 1)"
    )
    run.add_argument(
        "--timestamps",
        choices=("original", "now"),
        default="now",
        help="as recorded, or the recording's spacing from now on (default: now)",
    )
    _add_state_directory(run)
    run.add_argument("--events", metavar="FD|FILE", help="write JSON lines about each reading there")
    run.set_defaults(run=_run)

    recover = commands.add_parser("recover", help="put the readings of damaged spools back into the sensor's spool")
    recover.add_argument(
        "files",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="damaged spools (default: those that the sensor has set aside in its folder)",
    )
    _add_state_directory(recover)
    recover.set_defaults(run=_recover)


def _add_state_directory(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--state-directory",
        type=Path,
        default=Path(os.environ.get("STATE_DIRECTORY", STATE_DIRECTORY)),
        metavar="DIR",
        help="where readings wait while Kafka is unavailable (default: %(default)s)",
    )


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
    return value


def _speed(text: str) -> float | None:
    return None if text == "max" else _positive(text)


def _servers(text: str) -> tuple[str, ...]:
    servers = tuple(server.strip() for server in text.split(","))
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65_536:
            raise argparse.ArgumentTypeError(f"{server}: expected HOST:PORT")
    return servers


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected {NAME_RULE}")
    return text


def _board(options: argparse.Namespace) -> "EmulatedBoard | RealBoard":
    if options.board == "emulated" or getattr(options, "replay", None) is not None:
        from sensorpi.sensor.board.emulated.board import EmulatedBoard

        return EmulatedBoard()
    from sensorpi.sensor.board.real_board import RealBoard

    return RealBoard()


def _cpu_heat(options: argparse.Namespace) -> Any:
    if options.cpu_heat_factor is None:
        return None
    from sensorpi.sensor.board.cpu_heat import CpuHeat

    return CpuHeat(options.cpu_heat_factor)


def _seconds_of_day() -> float:
    return time.time() % 86_400


def _read(options: argparse.Namespace) -> ExitCode:
    from sensorpi.sensor.board.driver import EnviroPhat
    from sensorpi.sensor.board.emulated.board import EmulatedBoard
    from sensorpi.sensor.board.emulated.synthetic import SyntheticDay
    from sensorpi.sensor.board.library import BoardMissingError

    board = _board(options)
    try:
        driver = EnviroPhat(board, _cpu_heat(options))
    except BoardMissingError as error:
        raise UserError(str(error)) from error
    try:
        if isinstance(board, EmulatedBoard):
            board.feel(next(SyntheticDay(1.0, seed=1, first_s=_seconds_of_day()).moments()))
        reading = Reading(DEFAULT_SENSOR, socket.gethostname(), "read", 1, time.time_ns() // 1_000_000, driver.read())
    finally:
        driver.close()
    if options.json:
        print(reading.to_json().decode())
    else:
        for field, value in reading.values.items():
            print(f"{field:<16}{value:>12.4f} {FIELD_UNITS.get(field, '°C')}")
        for name in driver.missing:
            print(f"{name} does not answer; see `sensorpi sensor probe`")
    return ExitCode.FAILED if driver.missing else ExitCode.OK


def _probe(options: argparse.Namespace) -> ExitCode:
    from sensorpi.sensor.board.library import BoardMissingError
    from sensorpi.sensor.board.probe import probe_board

    try:
        lines, all_well = probe_board(_board(options))
    except BoardMissingError as error:
        lines, all_well = [str(error)], False
    print("\n".join(lines))
    return ExitCode.OK if all_well else ExitCode.FAILED


def _recover(options: argparse.Namespace) -> ExitCode:
    from sensorpi.common.daemon.service import set_up_logging
    from sensorpi.sensor.publishing.spool import Spool

    set_up_logging()
    for file in options.files:
        if not file.is_file():
            raise UserError(f"{file}: not a file")
    spool = Spool(options.state_directory)
    try:
        spool.open()
        for file in options.files:
            if file.is_file() and file.resolve() != spool.path.resolve():  # else it has been read back already
                spool.recover(file)
        spool.give_to_owner()
    except OSError as error:
        reason = f"{error.filename or spool.path}: {error.strerror or error}"
        raise UserError(f"{reason}; is the sensor stopped? (systemctl stop sensorpi-sensor.service)") from error
    print(f"{len(spool)} readings are in {spool.path}; the sensor sends them when it is started")
    spool.close()
    return ExitCode.OK


def _environment(options: argparse.Namespace) -> "Environment":
    from sensorpi.sensor.board.emulated.synthetic import Beat, SyntheticDay

    if options.replay is not None:
        from sensorpi.sensor.recordings.replay import Replay

        return Replay(
            options.replay,
            options.map,
            options.speed,
            options.timestamps == "original",
            options.sensor,
            options.host,
            options.raw_retention_days,
        )
    if options.board == "emulated":
        return SyntheticDay(options.rate, options.seed, _seconds_of_day())
    return Beat(options.rate)


def _fill_in(options: argparse.Namespace, context: "NodeContext") -> None:
    """Take what the command line leaves open from the cluster file, where there is one."""
    servers, rate, host = _servers("localhost:9092"), 1.0, socket.gethostname()
    options.clock_tolerance_s, options.raw_retention_days = None, 0
    if context.cluster_file.exists():
        servers, rate = _servers(context.cluster.bootstrap_servers), context.cluster.sensor.rate_hz
        options.clock_tolerance_s = context.cluster.sensor.clock_tolerance_s
        options.raw_retention_days = context.cluster.influxdb.raw_retention_days
        if context.known_node is not None:
            host = context.known_node.name
    options.bootstrap_servers = options.bootstrap_servers or servers
    options.rate = options.rate or rate
    options.host = options.host or host


def _run(options: argparse.Namespace) -> int:
    from sensorpi.common.cli.node_context import NodeContext
    from sensorpi.common.cluster.model import config_directory
    from sensorpi.common.daemon.service import set_up_logging, stop_on_signals
    from sensorpi.sensor.publishing.events import Events
    from sensorpi.sensor.run import SensorConfig, SensorService
    from sensorpi.sensor.stamping.clock import TOLERANCE_S

    set_up_logging()
    context = NodeContext(config_directory())
    if options.bootstrap_servers is None and context.wait_if_told("sensor"):
        return ExitCode.OK
    _fill_in(options, context)
    environment = _environment(options)  # a mistake in a recording is found before anything is published
    runtime_directory = os.environ.get("RUNTIME_DIRECTORY")
    settings = SensorConfig(
        sensor=options.sensor,
        host=options.host,
        bootstrap_servers=options.bootstrap_servers,
        state_directory=options.state_directory,
        runtime_directory=Path(runtime_directory) if runtime_directory else None,
        for_s=options.for_s,
        cpu_heat=_cpu_heat(options),
        clock_tolerance_s=options.clock_tolerance_s or TOLERANCE_S,
    )
    return SensorService(settings, _board(options), environment, Events(options.events), stop_on_signals()).run()

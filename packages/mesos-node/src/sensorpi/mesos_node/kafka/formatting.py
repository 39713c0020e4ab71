"""Formats a broker's data folder, once.

An empty folder of a broker that was formatted before means lost data, not a first start: a voter that returns without
its votes can undo what the others agreed on. So the file ``ID.formatted`` beside the folder remembers the formatting.
"""

import logging
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from sensorpi.common.errors import UserError
from sensorpi.common.files import write
from sensorpi.mesos_node.kafka.broker import Broker
from sensorpi.mesos_node.kafka.probe import quorum_has_leader

_log = logging.getLogger(__name__)

_STORAGE_TOOL = "kafka.tools.StorageTool"


def needs_formatting(broker: Broker, cluster_id: str, has_leader: Callable[[str], bool] = quorum_has_leader) -> bool:
    """Whether the broker's folder has to be formatted before it starts.

    That is the case at its first start here, and when its folder was lost but every other voter answers and has a
    leader (``has_leader`` asks one, given ``host:port``), so that this one can only follow. Raises ``UserError`` when
    its folder was lost and they do not, when the folder belongs to another cluster, or when this machine has another
    broker's data.
    """
    others = sorted(path for path in broker.data.glob("*.formatted") if path != marker(broker))
    others = [path for path in others if path.stem.isdigit() and int(path.stem) < len(broker.cluster.workers)]
    if others and broker.is_declared:
        raise UserError(
            f"{broker.data} holds the data of broker {others[0].stem}, but cluster.toml makes this node broker "
            f"{broker.id}: restore the workers' order in the file, with new workers at the end"
        )
    present = _cluster_id_of(broker.log_directory)
    if present is not None and present != cluster_id:
        raise UserError(f"{broker.log_directory} belongs to another cluster ({present}): is cluster.key the right one?")
    if present is None and (marker(broker).exists() or broker.has_run):
        voters = broker.other_voters
        if not voters or not all(has_leader(voter) for voter in voters):
            raise UserError(
                f"{broker.log_directory} is empty, but broker {broker.id} was formatted here before: restore it, "
                f"or remove {marker(broker)} to start with an empty folder and lose what only this broker had"
            )
        _log.warning("%s was lost; the other voters have a leader, so it is formatted again", broker.log_directory)
    return present is None


def format_once(broker: Broker, cluster_id: str, jars: Path, properties: Path, log4j2: Path) -> bool:
    """Format the data folder if ``needs_formatting``; return whether it was formatted. Raises ``UserError``."""
    needed = needs_formatting(broker, cluster_id)
    if needed:
        try:
            broker.log_directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{broker.log_directory}: {error.strerror}") from None
        arguments = ("format", "--cluster-id", cluster_id, "--config", os.fspath(properties))
        _run(broker.java_command(jars, log4j2, _STORAGE_TOOL, *arguments), broker)
    if not marker(broker).exists():  # also after a power cut between the two
        write(marker(broker), f"{broker.node.name}\n", mode=0o644)
    return needed


def _cluster_id_of(log_directory: Path) -> str | None:
    try:
        text = (log_directory / "meta.properties").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{log_directory}: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    found = next((line for line in text.split("\n") if line.startswith("cluster.id=")), None)
    if found is None:
        raise UserError(
            f"{log_directory}/meta.properties is damaged: restore it, or remove {log_directory} to have this broker "
            "copy its data from the others"
        )
    return found.removeprefix("cluster.id=").strip()


def marker(broker: Broker) -> Path:
    """The file that remembers the formatting, outside the folder that can be lost."""
    return broker.data / f"{broker.id}.formatted"


def _run(command: Sequence[str], broker: Broker) -> None:
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{broker.log_directory} cannot be formatted: {error}") from None
    if result.returncode != 0:
        output = " ".join((result.stderr + result.stdout).split())
        raise UserError(f"{broker.log_directory} cannot be formatted: {output[-400:]}")

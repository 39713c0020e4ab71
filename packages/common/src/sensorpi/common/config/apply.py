"""Writes the files that this node's services read, and tells which systemd units a change affects."""

import hashlib
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import FILE_NAME
from sensorpi.common.cluster.schema import ROLES
from sensorpi.common.config.effective import Effective, effective
from sensorpi.common.config.systemd_unit import SystemdUnit, installed_systemd_units
from sensorpi.common.daemon import untrusted, waiting
from sensorpi.common.errors import UserError
from sensorpi.common.files import render

#: The units of an engine have ConditionPathExists= for a file with this prefix and the engine's name.
_ENGINE = "engine-"
#: The program of Mesos that each role needs on PATH.
_MESOS_PROGRAMS = {"mesos-worker": "mesos-agent", "mesos-master": "mesos-master"}
_ZOOKEEPER_JAR = Path("/usr/share/java/zookeeper.jar")
_NODE = "node"
#: A folder of the rendered configuration, with a checksum for each systemd unit.
_CHECKSUMS = "units"
_PUBLIC_MODE = 0o644

#: The folder of the roles' targets, one from each role's package.
_TARGETS = Path("/lib/systemd/system")


@dataclass(frozen=True)
class Places:
    """The folders of the configuration, of what is rendered from it, and of the last good configuration."""

    config: Path = Path("/etc/sensorpi")
    rendered: Path = Path("/run/sensorpi")
    last_good: Path = Path("/var/lib/sensorpi/config")


@dataclass(frozen=True)
class Applied:
    """The systemd units whose files changed, and the roles that wait, each with its reason.

    ``mistake`` is the one in the configuration when the last good configuration was used instead.
    """

    changed_systemd_units: list[str]
    waiting: dict[str, str]
    mistake: UserError | None = None


def installed_roles(targets: Path = _TARGETS) -> list[str]:
    """The roles whose packages are installed."""
    return [role for role in ROLES if (targets / f"sensorpi-{role}.target").exists()]


def apply(places: Places, installed: Collection[str], *, at_boot: bool = False) -> Applied:
    """Render the configuration for the services of the installed roles.

    A one-machine cluster gets its key here. A mistake raises ``UserError`` and changes nothing; ``at_boot``, the last
    good configuration is used instead, if there is one.
    """
    mistake = None
    try:
        configuration = effective(places.config, installed, remembered=_remembered(places.last_good))
        key = _key(places.config, configuration)
    except UserError as error:
        if not at_boot or not (places.last_good / FILE_NAME).exists():
            raise
        mistake = error
        configuration = effective(places.last_good, installed)
        key = _optional_key(places.last_good)
    systemd_units = _systemd_units(configuration, key, installed)
    reasons = _reasons(configuration, key, systemd_units)
    changed = _render(places.rendered, configuration, key, systemd_units, reasons)
    if mistake is None:
        _keep(places.last_good, configuration, key)
    return Applied(changed, reasons, mistake)


def _remembered(last_good: Path) -> str | None:
    return untrusted.load(last_good / _NODE, str.strip)


def _optional_key(directory: Path) -> bytes | None:
    path = directory / secrets.FILE_NAME
    return secrets.load_key(path) if path.exists() else None


def _key(directory: Path, configuration: Effective) -> bytes | None:
    key = _optional_key(directory)
    if key is None and configuration.is_own:
        key = secrets.make_key(directory / secrets.FILE_NAME, secrets.group_id())
    return key


def _systemd_units(configuration: Effective, key: bytes | None, installed: Collection[str]) -> list[SystemdUnit]:
    node = configuration.node
    if node is None:
        return []
    return [unit for unit in installed_systemd_units(configuration.cluster, node, key) if unit.role in installed]


def _reasons(configuration: Effective, key: bytes | None, systemd_units: list[SystemdUnit]) -> dict[str, str]:
    """The roles that have to wait, each with its reason."""
    reasons = dict(configuration.waiting)
    if configuration.cluster.engine == "mesos":
        roles = {unit.role for unit in systemd_units}
        reasons = {role: reason for role, reason in _missing(configuration).items() if role in roles} | reasons
    if key is None:
        reason = f"waiting for {secrets.FILE_NAME}: copy it from another node, or run sensorpi join FILE"
        reasons |= {unit.role: reason for unit in systemd_units if unit.needs_key and unit.role not in reasons}
    return reasons


def _missing(configuration: Effective) -> dict[str, str]:
    """The roles that miss something which the engine Mesos needs, each with what that is."""
    missing = {
        role: f"{program}: apt install aventer-mesos, or a package made by make mesos-deb"
        for role, program in _MESOS_PROGRAMS.items()
        if shutil.which(program) is None
    }
    if configuration.node in configuration.cluster.zookeeper_nodes and not _ZOOKEEPER_JAR.exists():
        missing.setdefault("mesos-worker", "ZooKeeper: apt install libzookeeper-java")
    reason = 'waiting because engine = "mesos" needs {}; then run sensorpi config apply'
    return {role: reason.format(what) for role, what in missing.items()}


def _render(
    directory: Path,
    configuration: Effective,
    key: bytes | None,
    systemd_units: list[SystemdUnit],
    reasons: dict[str, str],
) -> list[str]:
    fingerprint = "" if key is None else hashlib.sha256(b"fingerprint " + key).hexdigest()
    public = {
        FILE_NAME: configuration.text,
        _ENGINE + configuration.cluster.engine: "",
        **({_NODE: f"{configuration.node.name}\n"} if configuration.node is not None else {}),
        **{f"{waiting.DIRECTORY}/{role}": f"{reason}\n" for role, reason in reasons.items()},
    }
    private: dict[str, str | bytes] = {} if key is None else {secrets.FILE_NAME: key}
    owners: dict[str, str] = {}
    for unit in systemd_units:
        settings = unit.settings + (fingerprint if unit.needs_key else "")
        # Nothing reads this file: it only shows whether the unit has to be restarted.
        private[f"{_CHECKSUMS}/{unit.name}"] = hashlib.sha256(settings.encode()).hexdigest() + "\n"
        if unit.role not in reasons:
            private |= unit.files
            owners |= dict.fromkeys(unit.files, unit.name)
    changed = [
        *_remove_others(directory, {*public, *private}),
        *render(public, directory, _PUBLIC_MODE),
        *render(private, directory, group_id=secrets.group_id()),
    ]
    affected = (owners.get(name) or _unit_of(name) for name in changed)
    return sorted({name for name in affected if name})


def _unit_of(name: str) -> str | None:
    """The systemd unit that a change of this rendered file affects: a role's target, when it begins or ends to wait."""
    folder, _, rest = name.partition("/")
    return {_CHECKSUMS: rest, waiting.DIRECTORY: f"sensorpi-{rest}.target"}.get(folder)


def _remove_others(directory: Path, wanted: Collection[str]) -> list[str]:
    """Delete the files of an earlier configuration, and nothing that the services wrote themselves."""
    patterns = (f"{waiting.DIRECTORY}/*", f"{_CHECKSUMS}/*", "*.env", "*.conf", f"{_ENGINE}*", secrets.FILE_NAME, _NODE)
    names = [str(path.relative_to(directory)) for pattern in patterns for path in directory.glob(pattern)]
    removed = [name for name in names if name not in wanted]
    for name in removed:
        (directory / name).unlink()
    return removed


def _keep(directory: Path, configuration: Effective, key: bytes | None) -> None:
    """Keep a good configuration for a boot at which the cluster file has a mistake."""
    files: dict[str, str | bytes] = {FILE_NAME: configuration.text}
    if configuration.node is not None:
        files[_NODE] = f"{configuration.node.name}\n"
    if key is not None:
        files[secrets.FILE_NAME] = key
    render(files, directory, group_id=secrets.group_id())

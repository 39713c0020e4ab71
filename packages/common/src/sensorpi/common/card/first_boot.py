"""What the first boot of a card does with any release: its settings, and the service that installs the roles."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from sensorpi.common.card.wifi import Wifi

#: The first line of each of our files that can contain a comment.
MARK = "Written by `sensorpi card`"

#: Our folder on the boot partition, beside sensorpi.toml and cluster.key; the installation removes it.
FOLDER = "sensorpi"
DEBS = f"{FOLDER}/debs"

SERVICE = "card-install.service"


@dataclass(frozen=True)
class Repository:
    """An apt repository, and the file name of its public key on the card: apt recognises the format by the suffix."""

    url: str
    key_name: str


@dataclass(frozen=True)
class Settings:
    """What the first boot sets. Without ``ssh_keys`` (`--no-login`) nobody can log in: there are no passwords."""

    host_name: str
    #: The node's own address, with its prefix length, in addition to the one from DHCP; None if it is a host name.
    address: str | None
    user: str
    ssh_keys: tuple[str, ...]
    wifi: Wifi | None
    timezone: str | None
    #: The program that installs the roles, from ``install_script``.
    install_script: str


def install_script(packages: Sequence[str], repository: Repository | None) -> str:
    """The program that installs the packages from the repository, or from the .debs on the card."""
    values = {
        "@PACKAGES@": shlex.join(packages),
        "@REPOSITORY@": shlex.quote(repository.url if repository else ""),
        "@KEY@": shlex.quote(repository.key_name if repository else ""),
    }
    text = "#!/bin/sh\n" + _data("install.sh")  # lintian wants packaged files with this line to be executable
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def system_files(settings: Settings) -> list[tuple[str, str, str]]:
    """The files that the first boot writes to the system: path, mode and content of each."""
    return [
        ("/usr/local/sbin/sensorpi-install", "0755", settings.install_script),
        (f"/etc/systemd/system/{SERVICE}", "0644", _data(SERVICE)),
        # The account has no password that sudo could ask for.
        ("/etc/sudoers.d/010_sensorpi-card", "0440", f"{settings.user} ALL=(ALL) NOPASSWD:ALL\n"),
    ]


def _data(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

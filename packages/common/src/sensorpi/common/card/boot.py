"""What a card of our own images does at each boot: its name and address from the cluster file, the rest from `[card]`.

Running it again changes nothing. The settings of a `[card]` are applied again only when its file has changed.
"""

import contextlib
import hashlib
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

from sensorpi.common.card.boot_partition import PARTITIONS, take_in
from sensorpi.common.card.file import SOURCE, text_of
from sensorpi.common.card.table import CardSettings, card_settings
from sensorpi.common.card.wifi import supplicant_file
from sensorpi.common.cluster import model as cluster_file
from sensorpi.common.cluster.addresses import with_prefix
from sensorpi.common.cluster.identity import identify
from sensorpi.common.cluster.model import Node
from sensorpi.common.daemon import untrusted
from sensorpi.common.errors import UserError
from sensorpi.common.files import render

_CONFIG = Path("/etc/sensorpi")
_TAKEN = Path("/var/lib/sensorpi/config")
_STATE = Path("/var/lib/sensorpi")
#: The image's network files, without their suffix.
_NETWORKS = ("20-wired", "30-wifi")
_GROUPS = ("adm", "sudo", "systemd-journal", "i2c", "gpio", "video")
#: Debian's lowest number of a person's account.
_FIRST_UID = 1000


def main() -> int:
    """Do it; exit status 1, with one line for each mistake, if a part of it failed."""
    mistakes = []
    for step in (_set_up_node, _set_up_card):
        try:
            step()
        except (UserError, OSError, subprocess.CalledProcessError) as mistake:
            mistakes.append(str(mistake))
    for line in mistakes:
        print(f"sensorpi: {line}", file=sys.stderr)
    return 1 if mistakes else 0


def _set_up_node() -> None:
    # sensorpi-config.service takes the boot partition's file too, but waits for the network, which waits for this.
    with contextlib.suppress(UserError):  # that service reports it
        take_in(_CONFIG, _TAKEN)
    try:
        node = identify(cluster_file.load(_CONFIG / cluster_file.FILE_NAME), _CONFIG, owns=lambda _address: False)
    except UserError:  # the same
        return
    if node is None:
        return
    render({"hostname": f"{node.name}\n"}, Path("/etc"), mode=0o644)
    socket.sethostname(node.name)
    render(network_files(node), Path("/run/systemd/network"), mode=0o644)


def network_files(node: Node) -> dict[str, str]:
    """The drop-ins that add the node's address to its networks, by name; none if the address is a host name."""
    address = with_prefix(node.address)
    if address is None:
        return {}
    text = f"[Network]\nAddress={address}\n"
    return {f"{name}.network.d/address.conf": text for name in _NETWORKS}


def _set_up_card() -> None:
    source = next((folder / SOURCE for folder in PARTITIONS if (folder / SOURCE).is_file()), None)
    if source is None:
        return
    content = source.read_bytes()
    done = {"card.sha256": hashlib.sha256(content).hexdigest() + "\n"}
    if untrusted.load(_STATE / "card.sha256", str) == done["card.sha256"]:
        return
    settings = card_settings(text_of(content, source), str(source))
    if settings.wifi is not None:
        network = supplicant_file(settings.wifi)
        render({"wpa_supplicant-wlan0.conf": network}, Path("/etc/wpa_supplicant"), mode=0o600)
    if settings.timezone:
        link = Path("/etc/localtime")
        link.unlink(missing_ok=True)
        link.symlink_to(f"../usr/share/zoneinfo/{settings.timezone}")
    if settings.user:
        _set_up_user(settings)
    render(done, _STATE)


def _set_up_user(settings: CardSettings) -> None:
    """A user who logs in with SSH keys. The account has no password, so sudo does not ask for one."""
    try:
        user = pwd.getpwnam(settings.user)
    except KeyError:
        groups = [line.split(":")[0] for line in Path("/etc/group").read_text().splitlines()]
        member = ",".join(group for group in _GROUPS if group in groups)
        subprocess.run(["useradd", "-m", "-s", "/bin/bash", "-G", member, settings.user], check=True)
        user = pwd.getpwnam(settings.user)
    if user.pw_uid < _FIRST_UID:
        raise UserError(f"{SOURCE}: card.user: {settings.user} is a user of the system; choose another name")
    rule = f"{settings.user} ALL=(ALL) NOPASSWD:ALL\n"
    render({"sensorpi-card": rule}, Path("/etc/sudoers.d"), mode=0o440)
    folder = Path(user.pw_dir, ".ssh")
    folder.mkdir(mode=0o700, exist_ok=True)
    render({"authorized_keys": "".join(f"{key}\n" for key in settings.ssh_keys)}, folder, mode=0o600)
    for path in (folder, folder / "authorized_keys"):
        os.chown(path, user.pw_uid, user.pw_gid)

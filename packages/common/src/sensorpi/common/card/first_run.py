"""firstrun.sh, which the first boot of a bookworm card runs. Raspberry Pi Imager writes such a file, too."""

import shlex

from sensorpi.common.card import network_manager
from sensorpi.common.card.boot_files import CMDLINE
from sensorpi.common.card.first_boot import MARK, SERVICE, Settings, system_files

NAME = "firstrun.sh"
_PATH = f"/boot/firmware/{NAME}"
_CMDLINE_PATH = f"/boot/firmware/{CMDLINE}"
_CUSTOM = "/usr/lib/raspberrypi-sys-mods/imager_custom"

#: How our words on the kernel's command line begin. Other words that begin so are for another first boot.
WORDS = ("systemd.run", "systemd.unit=kernel-command-line.target")
KERNEL_WORDS = [
    f"systemd.run={_PATH}",
    "systemd.run_success_action=reboot",
    "systemd.unit=kernel-command-line.target",
]
#: No file that the script writes may contain this line.
_END = "END_OF_SENSORPI_FILE"


def script(settings: Settings) -> bytes:
    """The script. It continues after a failed step: a node with some of its settings may still be reachable."""
    steps = [
        "#!/bin/sh",
        f"# {MARK}: runs once, in a boot of its own. Its output is in the journal.",
        f"{_CUSTOM} set_hostname {shlex.quote(settings.host_name)}",
    ]
    if settings.ssh_keys:
        steps.append(f"{_CUSTOM} enable_ssh -k {shlex.join(settings.ssh_keys)}")
    # '!' is not the hash of any password, so nobody can log in with one.
    steps.append(f"/usr/lib/userconf-pi/userconf {shlex.quote(settings.user)} '!'")
    if settings.timezone is not None:
        steps.append(f"{_CUSTOM} set_timezone {shlex.quote(settings.timezone)}")
    if settings.wifi is not None:
        steps.append(f"{_CUSTOM} set_wlan_country {shlex.quote(settings.wifi.country)}")
    # Not with set_wlan, which writes the network's name unquoted.
    for name, profile in network_manager.profiles(settings).items():
        steps += _file(f"{network_manager.FOLDER}/{name}", "0600", profile)
    for path, mode, content in system_files(settings):
        steps += _file(path, mode, content)
    steps += [
        f"systemctl enable {SERVICE}",
        f"rm -f {_PATH}",
        f"sed -i 's/ systemd[.]run[^ ]*//g; s/ systemd[.]unit=kernel-command-line[.]target//' {_CMDLINE_PATH}",
        "exit 0  # any other status would switch the Pi off",
        "",
    ]
    return "\n".join(steps).encode()


def _file(path: str, mode: str, content: str) -> list[str]:
    return [f"install -D -m {mode} /dev/stdin {path} <<'{_END}'", content.removesuffix("\n"), _END]

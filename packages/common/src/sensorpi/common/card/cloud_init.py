"""What cloud-init reads on a trixie card: user-data, network-config and meta-data.

They are JSON, which is also YAML and which the standard library can write. The keys are those that Raspberry Pi Imager
uses, but the passphrase of the Wi-Fi network is never written.
"""

import hashlib
import json
import re
from typing import Any

from sensorpi.common.card.first_boot import MARK, SERVICE, Settings, system_files

#: How our words on the kernel's command line begin.
WORDS = ("ds=nocloud",)

#: YAML has more line ends than JSON, allows fewer unescaped characters, and has no surrogate pairs.
_NOT_BARE_IN_YAML = re.compile("[\x7f-\uffff]")


def files(settings: Settings) -> dict[str, bytes]:
    """The three files by name. If DHCP on Ethernet is enough, the card's own network-config stays."""
    # If this name and the one on the command line differed, cloud-init would treat each boot as the first.
    return {
        **{name: text.encode() for name, text in _texts(settings).items()},
        "meta-data": _document({"instance-id": _instance(settings)}).encode(),
    }


def kernel_words(settings: Settings) -> list[str]:
    """Our words for the kernel's command line."""
    return [f"ds=nocloud;i={_instance(settings)}"]


def _texts(settings: Settings) -> dict[str, str]:
    texts = {"user-data": f"#cloud-config\n{_document(_user_data(settings))}"}
    if settings.wifi is not None or settings.address is not None:
        texts["network-config"] = _document(_network_config(settings))
    return texts


def _instance(settings: Settings) -> str:
    """The name of these settings. With another name, cloud-init applies them again."""
    return "sensorpi-" + hashlib.sha256("".join(_texts(settings).values()).encode()).hexdigest()[:16]


def _user_data(settings: Settings) -> dict[str, Any]:
    # Singular: it renames the release's own first user, who is in the groups for I²C and GPIO.
    user: dict[str, Any] = {
        "name": settings.user,
        "shell": "/bin/bash",
        "lock_passwd": True,
    }
    commands = [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", "--no-block", SERVICE]]
    if settings.ssh_keys:
        user["ssh_authorized_keys"] = list(settings.ssh_keys)
        commands.insert(0, ["systemctl", "enable", "--now", "--no-block", "ssh.service"])
    return {
        "hostname": settings.host_name,
        "manage_etc_hosts": "localhost",
        "user": user,
        "ssh_pwauth": False,
        **({"timezone": settings.timezone} if settings.timezone is not None else {}),
        "apt": {"preserve_sources_list": True},
        "write_files": [
            {"path": path, "permissions": mode, "content": content} for path, mode, content in system_files(settings)
        ],
        "runcmd": commands,
    }


def _network_config(settings: Settings) -> dict[str, Any]:
    ethernet: dict[str, Any] = {"dhcp4": True, "dhcp6": True, "optional": True}
    links: dict[str, Any] = {"ethernets": {"eth0": ethernet}}
    wifi, used = settings.wifi, ethernet
    if wifi is not None:
        access: dict[str, Any] = (
            {"password": wifi.key} if wifi.key is not None else {"auth": {"key-management": "none"}}
        )
        used = {
            "dhcp4": True,
            "optional": True,
            "regulatory-domain": wifi.country,
            "access-points": {wifi.ssid: {"hidden": True, **access}},
        }
        links["wifis"] = {"wlan0": used}
    if settings.address is not None:
        used["addresses"] = [settings.address]
    return {"network": {"version": 2, **links}}


def _document(data: dict[str, Any]) -> str:
    text = _NOT_BARE_IN_YAML.sub(_escaped, json.dumps(data, indent=2, ensure_ascii=False))
    return f"# {MARK}\n{text}\n"


def _escaped(character: re.Match[str]) -> str:
    return f"\\u{ord(character[0]):04x}"

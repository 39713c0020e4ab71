"""The network connections of a bookworm card, as profiles of NetworkManager."""

from sensorpi.common.card.first_boot import Settings
from sensorpi.common.card.wifi import Wifi

FOLDER = "/etc/NetworkManager/system-connections"


def profiles(settings: Settings) -> dict[str, str]:
    """The profiles by their file names in ``FOLDER``; none if NetworkManager's defaults do the same."""
    if settings.wifi is not None:
        return {"sensorpi.nmconnection": _profile("wifi", _wifi(settings.wifi), settings)}
    if settings.address is not None:
        return {"sensorpi.nmconnection": _profile("ethernet", [], settings)}
    return {}


def _wifi(wifi: Wifi) -> list[str]:
    # As a list of bytes, the name needs no quoting.
    name = "".join(f"{byte};" for byte in wifi.ssid.encode())
    security = ["", "[wifi-security]", "key-mgmt=wpa-psk", f"psk={wifi.key}"] if wifi.key is not None else []
    return ["", "[wifi]", "mode=infrastructure", f"ssid={name}", "hidden=true", *security]


def _profile(kind: str, lines: list[str], settings: Settings) -> str:
    sections = ["[connection]", "id=sensorpi", f"type={kind}", *lines]
    for family, is_its in (("ipv4", "."), ("ipv6", ":")):
        address = settings.address if settings.address is not None and is_its in settings.address else None
        sections += ["", f"[{family}]", "method=auto", *([f"address1={address}"] if address else [])]
    return "\n".join([*sections, ""])

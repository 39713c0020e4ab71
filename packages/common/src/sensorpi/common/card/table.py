"""`[card]` in sensorpi.toml on the boot partition: user, SSH key, Wi-Fi and time zone of one card of our own images.

It is not a part of the cluster file and never leaves its card.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import voluptuous as vol

from sensorpi.common.card.wifi import pre_shared_key
from sensorpi.common.cluster.schema import mistake_line
from sensorpi.common.cluster.validators import nearest
from sensorpi.common.errors import UserError

_TABLE = re.compile(r"(?ms)^\[card\][ \t]*(?:#[^\n]*)?$.*?(?=^\[|\Z)")
_SSH_KEY = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+(?: [^\n]*)?")
_ZONES = Path("/usr/share/zoneinfo")


@dataclass(frozen=True)
class CardSettings:
    """The table's keys; one that is not set is empty. ``wifi`` is the network's name."""

    user: str = ""
    ssh_key: str = ""
    wifi: str = ""
    wifi_password: str = ""
    country: str = ""
    timezone: str = ""

    @property
    def wpa_supplicant(self) -> str:
        """The file for wpa_supplicant. It contains the key that is derived from the passphrase, not the passphrase."""
        access = f"psk={pre_shared_key(self.wifi_password, self.wifi)}" if self.wifi_password else "key_mgmt=NONE"
        network = f"network={{\n\tssid={self.wifi.encode().hex()}\n\tscan_ssid=1\n\t{access}\n}}\n"
        return f"ctrl_interface=DIR=/run/wpa_supplicant GROUP=netdev\ncountry={self.country}\n\n{network}"


def without_card(text: str) -> str:
    """The text without its ``[card]``. The other lines keep their numbers."""
    return _TABLE.sub(lambda found: "\n" * found[0].count("\n"), text, count=1)


def card_table(text: str) -> str:
    """The table with its header; empty if there is none."""
    found = _TABLE.search(text)
    return found[0] if found else ""


def card_settings(text: str, source: str) -> CardSettings:
    """The settings of ``[card]`` in that text; ``source`` names it in messages. Raises ``UserError``."""
    found = _TABLE.search(text)
    try:
        data = tomllib.loads("\n" * text.count("\n", 0, found.start()) + found[0]) if found else {"card": {}}
    except (ValueError, RecursionError) as error:  # as for a cluster file
        raise UserError(f"{source}: not TOML: {error}") from None
    known = {key.name: _CHECKS.get(key.name, _line) for key in fields(CardSettings)}
    try:
        for name in data["card"]:
            if name not in known:
                raise vol.Invalid(f"unknown key; {nearest(name, known)}", path=["card", name])
        schema = vol.Schema({"card": {vol.Optional(name): check for name, check in known.items()}})
        settings = CardSettings(**schema(data)["card"])
        _check_whole(settings)
    except vol.Invalid as error:
        mistake = error.errors[0] if isinstance(error, vol.MultipleInvalid) else error
        # An unknown key may be a mistyped one whose value is the passphrase, so the value is not printed.
        unknown = mistake.path[-1] not in known
        line = f"card.{mistake.path[-1]}: {mistake.msg}" if unknown else mistake_line(mistake, data)
        raise UserError(f"{source}: {line}") from None
    return settings


def _check_whole(settings: CardSettings) -> None:
    if settings.ssh_key and not settings.user:
        raise vol.Invalid("expected user as well: who logs in with the key", path=["card", "ssh_key"])
    if settings.wifi and not settings.country:
        raise vol.Invalid(
            'expected country as well, such as "DE": without it the radio stays off', path=["card", "wifi"]
        )


def _matching(pattern: str, expected: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise vol.Invalid(f"expected {expected}")
        return value

    return check


_line = _matching(r"[^\x00-\x1f\x7f]*", "one line of text in quotes")


def _ssid(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= 32 or not value.isprintable():
        raise vol.Invalid("expected a network's name of 1 to 32 bytes")
    return value


def _timezone(value: object) -> str:
    name = _line(value)
    if ".." in name or name.startswith("/") or not (_ZONES / name).is_file():
        raise vol.Invalid('expected a time zone such as "Europe/Berlin"')
    return name


_CHECKS: dict[str, Callable[[object], str]] = {
    "user": _matching("[a-z_][a-z0-9_-]{0,31}", "a user name: small letters, digits, - and _"),
    "ssh_key": _matching(_SSH_KEY.pattern, 'a public key, such as "ssh-ed25519 AAAA…"'),
    "wifi": _ssid,
    "wifi_password": _matching("[ -~]{8,63}|[0-9a-fA-F]{64}", "8 to 63 characters, or 64 hexadecimal digits"),
    "country": _matching("[A-Z]{2}", 'two capital letters, such as "DE"'),
    "timezone": _timezone,
}

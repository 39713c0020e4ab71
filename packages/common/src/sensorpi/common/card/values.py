"""The rules for the values of a card: each returns the value, or raises what was expected.

`sensorpi card`, ``[card]`` in sensorpi.toml and `sensorpi config check` use them.
"""

import re
import unicodedata
import zoneinfo
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from voluptuous import Invalid

from sensorpi.common.card.ssh_key import ssh_keys
from sensorpi.common.daemon import time_zones

#: Debian allows more; every tool of all releases accepts this.
_USER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
#: Users and groups of Debian, of Raspberry Pi OS and of the roles' programs: `useradd` refuses them, or they exist.
_SYSTEM_NAME = re.compile(
    r"""adm|audio|avahi|backup|bin|bluetooth|cdrom|colord|crontab|daemon|dialout|dip|disk|dnsmasq|fax|floppy|ftp|games
    |gnats|gpio|grafana|i2c|influxdb|input|irc|kafka|kmem|kvm|lightdm|list|lp|lpadmin|mail|man|mesos|messagebus
    |netdev|news|nobody|nogroup|ntp|operator|plugdev|polkitd|proxy|pulse|render|rtkit|root|rpc|sasl|saned|sgx
    |shadow|spark|spi|src|ssh|sshd|staff|statd|sudo|sync|sys|tape|telegraf|tss|tty|usbmux|users|utmp|uucp|video
    |voice|www-data|zookeeper|sensorpi.*|systemd-.*""",
    re.VERBOSE,
)
#: IEEE 802.11: a name has 1 to 32 bytes, a passphrase 8 to 63 printable ASCII characters.
_SSID_BYTES = 32
_PASSPHRASE = re.compile(r"[ -~]{8,63}|[0-9a-fA-F]{64}")
_ZONES = time_zones.ZONES
#: What people write for a country that ISO 3166 calls otherwise.
_COUNTRY_ALIASES = {"EN": "GB", "UK": "GB", "ENGLAND": "GB", "GREAT BRITAIN": "GB", "UNITED KINGDOM": "GB", "USA": "US"}
#: Not zones: the machine's own zone, and a placeholder.
_NOT_ZONES = {"localtime", "Factory"}


def user(value: object) -> str:
    """The name of the user who can log in, which the first boot creates."""
    if not isinstance(value, str) or not _USER.fullmatch(value):
        raise Invalid("expected a user name: up to 32 small letters, digits, _ and -, beginning with a letter")
    if _SYSTEM_NAME.fullmatch(value):
        raise Invalid("the system has a user or group of that name; expected another name")
    return value


def ssid(value: object) -> str:
    """A Wi-Fi network's name."""
    if not isinstance(value, str):
        raise Invalid("expected a network's name in quotes")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Invalid("the network's name is not UTF-8") from None
    if not 1 <= size <= _SSID_BYTES:
        raise Invalid(f"expected a network's name of 1 to {_SSID_BYTES} bytes of UTF-8; this one has {size}")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise Invalid("the network's name has a control character, which the Pi's tools do not accept")
    return value


def passphrase(value: object) -> str:
    """A Wi-Fi network's passphrase, or its key. The reason does not contain it."""
    if not isinstance(value, str) or not _PASSPHRASE.fullmatch(value):
        raise Invalid("expected 8 to 63 characters of ASCII, or the key's 64 hexadecimal digits")
    return value


def country(value: object) -> str:
    """The country in which the radio is used, by its two letters."""
    if not isinstance(value, str):
        raise Invalid('expected the two letters of a country in quotes, such as "DE"')
    names = _countries()
    if value in names:
        return value
    codes = {name.upper(): code for code, name in names.items()} | {code: code for code in names} | _COUNTRY_ALIASES
    code = codes.get(value.strip().upper())
    expected = f"did you mean {code}?" if code else "expected its two capital letters, such as DE"
    raise Invalid(f"no such country in ISO 3166; {expected}")


def _countries() -> dict[str, str]:
    """The countries' English names by their codes."""
    file = _ZONES / "iso3166.tab"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise Invalid(f"cannot be checked, because {file} is missing: apt install tzdata") from None
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {row[0]: row[1] for row in rows}


def timezone(value: object) -> str:
    """A time zone's name, such as Europe/Berlin; for an older one (US/Eastern) the present one, which every Pi has."""
    if not isinstance(value, str):
        raise Invalid('expected a time zone in quotes, such as "Europe/Berlin"')
    if value in time_zones.present_names():
        return value
    known, older = zoneinfo.available_timezones() - _NOT_ZONES, time_zones.renamed()
    if "/" in value and value in older:
        return older[value]
    if "/" in value and value in known:
        return value
    if not known:
        raise Invalid(f"cannot be checked, because {_ZONES} is missing: apt install tzdata")
    word = value.strip().casefold().replace(" ", "_")
    names = {name.casefold(): name for name in sorted(known) if "/" in name}
    places = {name.rpartition("/")[2]: whole for name, whole in names.items()}
    close = get_close_matches(word, names, n=1)
    name = older.get(value) or names.get(word) or places.get(word) or (names[close[0]] if close else None)
    raise Invalid(f"no such time zone; {f'did you mean {name}?' if name else 'expected one such as Europe/Berlin'}")


#: The keys of ``[card]``, each with its rule.
RULES: dict[str, Callable[[object], Any]] = {
    "user": user,
    "ssh_key": ssh_keys,
    "wifi": ssid,
    "wifi_password": passphrase,
    "country": country,
    "timezone": timezone,
}

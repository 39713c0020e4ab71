"""A Wi-Fi network in the form that a card stores: name, key derived from the passphrase, and country."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from sensorpi.common.errors import UserError

#: IEEE 802.11: a name has 1 to 32 bytes, a passphrase 8 to 63 printable ASCII characters.
_SSID_BYTES = 32
_PASSPHRASE = re.compile(r"[ -~]{8,63}")
_RAW_KEY = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Wifi:
    """``key`` is the 256-bit pre-shared key in hexadecimal, None for an open network."""

    ssid: str
    key: str | None
    country: str


def network(ssid: str, country: str | None) -> Wifi:
    """An open network, checked. Raises ``UserError``."""
    if not 1 <= len(ssid_bytes(ssid)) <= _SSID_BYTES:
        raise UserError(f"--wifi: a network's name has 1 to {_SSID_BYTES} bytes, this one {len(ssid.encode())}")
    if any(unicodedata.category(character) == "Cc" for character in ssid):
        raise UserError("--wifi: the network's name has a control character, which the Pi's tools do not accept")
    if country is None:
        raise UserError("--wifi needs --country, such as DE: without it the radio stays off")
    if not re.fullmatch("[A-Z]{2}", country):
        raise UserError(f"--country {country!r}: expected the two capital letters of ISO 3166, such as DE")
    return Wifi(ssid, None, country)


def pre_shared_key(passphrase: str, ssid: str) -> str:
    """The key of a passphrase, in hexadecimal: PBKDF2-SHA1, 4096 rounds (IEEE 802.11i, annex H.4).

    64 hexadecimal digits are already such a key. Raises ``UserError``, which does not contain the passphrase.
    """
    if _RAW_KEY.fullmatch(passphrase):
        return passphrase.lower()
    if not _PASSPHRASE.fullmatch(passphrase):
        raise UserError("Wi-Fi passphrase: expected 8 to 63 characters of ASCII, or the key's 64 hexadecimal digits")
    return hashlib.pbkdf2_hmac("sha1", passphrase.encode("ascii"), ssid.encode(), 4096, 32).hex()


def ssid_bytes(ssid: str) -> bytes:
    """The network's name as it is sent. Raises ``UserError``."""
    try:
        return ssid.encode()
    except UnicodeEncodeError:
        raise UserError("--wifi: the network's name is not UTF-8") from None

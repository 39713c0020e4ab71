"""A Wi-Fi network in the form that a card stores: name, key derived from the passphrase, and country.

Every card also finds a network that does not announce its name, by asking for it (a “hidden” network).
"""

import hashlib
import re
from dataclasses import dataclass

_RAW_KEY = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Wifi:
    """``key`` is the 256-bit pre-shared key in hexadecimal, None for an open network."""

    ssid: str
    key: str | None
    country: str


def pre_shared_key(passphrase: str, ssid: str) -> str:
    """The key of a passphrase, in hexadecimal: PBKDF2-SHA1, 4096 rounds (IEEE 802.11i, annex H.4).

    64 hexadecimal digits are already such a key.
    """
    if _RAW_KEY.fullmatch(passphrase):
        return passphrase.lower()
    return hashlib.pbkdf2_hmac("sha1", passphrase.encode("ascii"), ssid.encode(), 4096, 32).hex()


def supplicant_file(wifi: Wifi) -> str:
    """The network in a file for wpa_supplicant. As hexadecimal digits, the name needs no quoting."""
    access = f"psk={wifi.key}" if wifi.key is not None else "key_mgmt=NONE"
    network = f"network={{\n\tssid={wifi.ssid.encode().hex()}\n\tscan_ssid=1\n\t{access}\n}}\n"
    return f"ctrl_interface=DIR=/run/wpa_supplicant GROUP=netdev\ncountry={wifi.country}\n\n{network}"

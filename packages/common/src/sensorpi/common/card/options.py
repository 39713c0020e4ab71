"""The options of `sensorpi card`. A mistake in one is reported in one line."""

import argparse
import base64
import binascii
import codecs
import getpass
import re
import sys
import zoneinfo
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from sensorpi.common.card.first_boot import Repository
from sensorpi.common.card.wifi import Wifi, network, pre_shared_key
from sensorpi.common.errors import UserError

#: Debian allows more; every tool of both releases accepts this.
_USER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_URL = re.compile(r"(https?://|file:/)[A-Za-z0-9._~:/%+,\[\]-]+")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_SSH_KEY = re.compile(r"((?:ssh|ecdsa|sk)-[a-z0-9@.-]+) ([A-Za-z0-9+/=]+)(?: [^\x00-\x1f\x7f]*)?")
_DEFAULT_SSH_KEYS = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
_ARMOUR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
#: RFC 9580, 4.2: the first byte of a public-key packet, with its length in one or two bytes, or of the new form.
_PUBLIC_KEY_PACKETS = (0x98, 0x99, 0xC6)


def user(name: str) -> str:
    """The name of the user who may log in."""
    if not _USER.fullmatch(name):
        raise UserError(f"--user {name!r}: expected small letters, digits, _ and -, beginning with a letter")
    if name == "root" or name.startswith("sensorpi"):
        raise UserError(f"--user {name}: the system has a user or group of that name; take another")
    return name


def timezone(name: str | None) -> str | None:
    """A time zone's name, such as Europe/Berlin."""
    if name is None:
        return None
    known = zoneinfo.available_timezones()  # empty if tzdata is not installed
    if name in known or (not known and _ZONE.fullmatch(name)):
        return name
    close = get_close_matches(name, known, n=1)
    raise UserError(f"--timezone {name!r}: no such time zone; expected one such as {(close or ['Europe/Berlin'])[0]}")


def ssh_keys(path: Path | None) -> tuple[str, ...]:
    """The public keys in that file, by default in this user's own. Without a key, nobody can log in."""
    if path is None:
        own = [Path("~/.ssh").expanduser() / name for name in _DEFAULT_SSH_KEYS]
        path = next((candidate for candidate in own if candidate.is_file()), None)
        if path is None:
            return ()
    text = _read(path).decode("utf-8-sig", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if "PRIVATE KEY" in text:
        raise UserError(f"{path}: a private key, which must not be on a card; give the file that ends in .pub")
    for line in lines:
        if not _is_ssh_key(line):
            raise UserError(f"{path}: not a public SSH key: {line[:40]!r}")
    if not lines:
        raise UserError(f"{path}: there is no public SSH key in it")
    return tuple(lines)


def _is_ssh_key(line: str) -> bool:
    found = _SSH_KEY.fullmatch(line)
    if found is None:
        return False
    try:
        blob = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return False
    parts = []  # RFC 4253, 6.6: each after its length in four bytes, and the first is the kind
    while len(blob) >= 4:
        end = 4 + int.from_bytes(blob[:4], "big")
        parts.append(blob[4:end])
        if end > len(blob):
            return False
        blob = blob[end:]
    return not blob and parts[:1] == [found[1].encode()] and len(parts) > 1


def wifi(ssid: str | None, passphrase_file: str | None, country: str | None) -> Wifi | None:
    """The network. Its passphrase comes from a file, from standard input (``-``) or from a prompt."""
    if ssid is None:
        for option, value in (("--country", country), ("--passphrase", passphrase_file)):
            if value is not None:
                raise UserError(f"{option} needs --wifi SSID as well")
        return None
    checked = network(ssid, country)
    passphrase = _passphrase(ssid, passphrase_file)
    return replace(checked, key=pre_shared_key(passphrase, ssid)) if passphrase else checked


def _passphrase(ssid: str, file: str | None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise UserError("--wifi needs --passphrase FILE, or - for standard input, if there is no terminal to ask")
        return getpass.getpass(f"Passphrase of {ssid} (empty for an open network): ")
    content = sys.stdin.buffer.read() if file == "-" else _read(Path(file))
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("ascii").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UserError("Wi-Fi passphrase: expected 8 to 63 characters of ASCII") from None


def repository(url: str | None, key_file: Path | None, debs: Path | None) -> tuple[Repository, bytes] | None:
    """The repository with its public key; None with ``--debs``."""
    if debs is not None:
        if url is not None or key_file is not None:
            raise UserError("--debs and --repository: give only one of them")
        if not debs.is_dir():
            raise UserError(f"--debs {debs}: no such folder")
        return None
    if url is None or key_file is None:
        raise UserError("the source of the packages is missing: --repository URL --key FILE, or --debs DIR")
    if not _URL.fullmatch(url):
        raise UserError(f"--repository {url!r}: expected a URL such as http://10.0.0.5/sensorpi, without a password")
    key = _read(key_file)
    if key.lstrip().startswith(_ARMOUR):
        return Repository(url, "sensorpi.asc"), key
    if not key or key[0] not in _PUBLIC_KEY_PACKETS:
        raise UserError(f"{key_file}: not a public OpenPGP key; make repo writes one, sensorpi.gpg")
    return Repository(url, "sensorpi.gpg"), key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options except for those that name the card and the node."""
    command.add_argument("--user", default="pi", metavar="NAME", help="who may log in, by SSH key only (default: pi)")
    command.add_argument(
        "--ssh-key", type=Path, metavar="FILE", help="the public key (default: ~/.ssh/id_ed25519.pub or the like)"
    )
    command.add_argument("--wifi", metavar="SSID", help="the Wi-Fi network to join (default: Ethernet only)")
    command.add_argument(
        "--passphrase", metavar="FILE", help="the file with its passphrase, - for standard input (default: prompt)"
    )
    command.add_argument("--country", metavar="CC", help="the country of the radio, such as DE; needed with --wifi")
    command.add_argument("--timezone", metavar="ZONE", help="such as Europe/Berlin (default: unchanged)")
    command.add_argument("--repository", metavar="URL", help="the apt repository to install from; make repo builds it")
    command.add_argument("--key", type=Path, metavar="FILE", help="its public key: sensorpi.gpg in the repository")
    command.add_argument(
        "--debs", type=Path, metavar="DIR", help="copy those of these .debs that the node needs onto the card"
    )

"""The options of `sensorpi card`. A mistake in one is reported in one line."""

import argparse
import codecs
import getpass
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from voluptuous import Invalid

from sensorpi.common.card import values
from sensorpi.common.card.first_boot import Repository
from sensorpi.common.card.ssh_key import ssh_keys as ssh_keys_of
from sensorpi.common.card.wifi import Wifi, pre_shared_key
from sensorpi.common.errors import UserError

_Value = TypeVar("_Value")

_URL = re.compile(r"(https?://|file:/)[A-Za-z0-9._~:/%+,\[\]-]+")
#: The names that ssh-keygen gives; those with _sk are of security keys.
_DEFAULT_SSH_KEYS = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub", "id_ed25519_sk.pub", "id_ecdsa_sk.pub")
_ARMOUR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
#: RFC 9580, 4.2: the first byte of a public-key packet, with its length in one or two bytes, or of the new form.
_PUBLIC_KEY_PACKETS = (0x98, 0x99, 0xC6)


def user(name: str) -> str:
    """The name of the user who may log in."""
    return _checked(values.user, name, f"--user {name!r}")


def timezone(name: str | None) -> str | None:
    """A time zone's name, such as Europe/Berlin."""
    return None if name is None else _checked(values.timezone, name, f"--timezone {name!r}")


def ssh_keys(paths: Sequence[Path] | None, no_login: bool) -> tuple[str, ...]:
    """The public keys in these files, by default this user's own; none if nobody is to log in."""
    if no_login:
        if paths:
            raise UserError("--ssh-key and --no-login: give only one of them")
        return ()
    own = [Path("~/.ssh").expanduser() / name for name in _DEFAULT_SSH_KEYS]
    files = paths or [path for path in own if path.is_file()]
    if not files:
        raise UserError(
            "nobody could log in, because ~/.ssh has no public key: make one with ssh-keygen, give another "
            "one with --ssh-key FILE, or prepare a card without a login with --no-login"
        )
    keys = [key for path in files for key in _checked(ssh_keys_of, _text(_read(path)), str(path))]
    return tuple(dict.fromkeys(keys))


def wifi(ssid: str | None, passphrase_file: str | None, country: str | None) -> Wifi | None:
    """The network. Its passphrase comes from a file, from standard input (``-``) or from a prompt."""
    if ssid is None:
        for option, value in (("--country", country), ("--passphrase", passphrase_file)):
            if value is not None:
                raise UserError(f"{option} needs --wifi SSID as well")
        return None
    _checked(values.ssid, ssid, "--wifi")
    if country is None:
        raise UserError("--wifi needs --country, such as DE: without it the radio stays off")
    _checked(values.country, country, f"--country {country!r}")
    passphrase = _passphrase(ssid, passphrase_file)
    if passphrase:
        _checked(values.passphrase, passphrase, "Wi-Fi passphrase")
    return Wifi(ssid, pre_shared_key(passphrase, ssid) if passphrase else None, country)


def _passphrase(ssid: str, file: str | None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise UserError("--wifi needs --passphrase FILE, or - for standard input, if there is no terminal to ask")
        return getpass.getpass(f"Passphrase of {ssid} (empty for an open network): ")
    content = sys.stdin.buffer.read() if file == "-" else _read(Path(file))
    return _text(content).removesuffix("\n").removesuffix("\r")


def _checked(rule: Callable[[object], _Value], value: str, what: str) -> _Value:
    try:
        return rule(value)
    except Invalid as mistake:
        raise UserError(f"{what}: {mistake.msg}") from None


def _text(content: bytes) -> str:
    """The text of a file, in UTF-8 or as Windows PowerShell writes it."""
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return content.decode(encoding, errors="replace")


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
        "--ssh-key", type=Path, action="append", metavar="FILE",
        help="a file with public keys; can be given several times (default: ~/.ssh/id_*.pub)",
    )  # fmt: skip
    command.add_argument("--no-login", action="store_true", help="prepare a card that nobody can log in to")
    command.add_argument(
        "--wifi", metavar="SSID", help="the Wi-Fi network to join, also a hidden one (default: Ethernet only)"
    )
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

"""The rules for a public SSH key: it is decoded, so that a card never gets a key that nobody can log in with."""

import base64
import binascii
import re
from collections.abc import Callable

from voluptuous import Invalid

_LINE = re.compile(r"([a-z0-9@.-]+)[ \t]+([A-Za-z0-9+/=]+)(?:[ \t]+(.*))?")
_EXPECTED = 'expected a public SSH key, such as "ssh-ed25519 AAAA… name"'
_CUT_OFF = "not a public SSH key: it is cut off or damaged; copy the whole line of the file that ends in .pub"
#: What sshd accepts by default.
_RSA_BITS = range(1024, 16385)


def ssh_keys(value: object) -> tuple[str, ...]:
    """The keys in a text, one a line, as in a .pub file or authorized_keys; or in a list of such texts.

    No reason contains a key. There is at least one.
    """
    given = value if isinstance(value, list) else [value]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        raise Invalid(f"{_EXPECTED}, or a list of them")
    lines = [line.strip(" \t\r") for text in texts for line in text.split("\n")]
    keys = tuple(_key(line) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise Invalid(f"there is no key; {_EXPECTED}")
    return tuple(dict.fromkeys(keys))


def _key(line: str) -> str:
    if "PRIVATE KEY" in line or line.startswith("PuTTY-User-Key-File"):
        raise Invalid("a private key, which must not be on a card; expected the one in the file that ends in .pub")
    if line.startswith("---- BEGIN SSH2 PUBLIC KEY"):
        raise Invalid("a public key in another format; ssh-keygen -i -f FILE converts it")
    found = _LINE.fullmatch(line)
    if found is None or re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", line):
        raise Invalid(_EXPECTED)
    kind, data, comment = found[1], found[2], found[3]
    if "-cert-" in kind:
        raise Invalid("a certificate; expected the public key that it was made for")
    if kind == "ssh-dss":
        raise Invalid("a DSA key, which sshd does not accept any more; make another with ssh-keygen")
    if kind not in _KINDS:
        raise Invalid(_EXPECTED)
    first, *parts = _parts(data)
    if first != kind.encode():
        raise Invalid(f'the key is not of the kind that it begins with, "{kind}"')
    if not _KINDS[kind](parts):
        raise Invalid(_CUT_OFF)
    if kind == "ssh-rsa" and (bits := int.from_bytes(parts[1], "big").bit_length()) not in _RSA_BITS:
        raise Invalid(f"an RSA key of {bits} bits, which sshd does not accept; make another with ssh-keygen")
    return " ".join(filter(None, (kind, data, comment)))


def _parts(data: str) -> list[bytes]:
    """RFC 4253, 6.6: strings, each after its length in four bytes, of which the first is the kind."""
    try:
        blob = base64.b64decode(data, validate=True)
    except binascii.Error:
        raise Invalid(_CUT_OFF) from None
    parts = []
    while blob:
        end = 4 + int.from_bytes(blob[:4], "big")
        if len(blob) < 4 or end > len(blob):
            raise Invalid(_CUT_OFF)
        parts.append(blob[4:end])
        blob = blob[end:]
    if not parts:
        raise Invalid(_CUT_OFF)
    return parts


def _lengths(*lengths: int) -> Callable[[list[bytes]], bool]:
    return lambda parts: tuple(map(len, parts)) == lengths


def _on_curve(curve: str, coordinate_bytes: int) -> Callable[[list[bytes]], bool]:
    """RFC 5656, 3.1: the curve's name and a point, uncompressed."""

    def check(parts: list[bytes]) -> bool:
        return (
            len(parts) == 2
            and parts[0] == curve.encode()
            and len(parts[1]) == 1 + 2 * coordinate_bytes
            and parts[1][0] == 4
        )

    return check


def _security_key(inner: Callable[[list[bytes]], bool]) -> Callable[[list[bytes]], bool]:
    """OpenSSH's PROTOCOL.u2f: the same, and then the application, "ssh:" by default."""
    return lambda parts: inner(parts[:-1]) and bool(parts[-1])


#: What OpenSSH accepts in authorized_keys, with a check of what follows the kind.
_KINDS: dict[str, Callable[[list[bytes]], bool]] = {
    "ssh-ed25519": _lengths(32),
    "ssh-rsa": lambda parts: len(parts) == 2 and all(part and part[0] < 0x80 for part in parts),
    "ecdsa-sha2-nistp256": _on_curve("nistp256", 32),
    "ecdsa-sha2-nistp384": _on_curve("nistp384", 48),
    "ecdsa-sha2-nistp521": _on_curve("nistp521", 66),
    "sk-ssh-ed25519@openssh.com": _security_key(_lengths(32)),
    "sk-ecdsa-sha2-nistp256@openssh.com": _security_key(_on_curve("nistp256", 32)),
}

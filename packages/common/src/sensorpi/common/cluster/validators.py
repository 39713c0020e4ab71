"""Checks of single values of the cluster file: each returns the value, or raises what was expected."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_address

from voluptuous import Invalid

Check = Callable[[object], object]

#: One label of a host name, as RFC 1123 has it, in lower case.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SPARK_MASTER = re.compile(r"local(\[([1-9][0-9]*|\*)\])?|(spark|mesos)://[^\s]+")


def nearest(word: object, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the known word nearest to it, else all known words."""
    known = list(known)
    close = get_close_matches(str(word).lower(), known, n=1)
    return f'did you mean "{close[0]}"?' if close else f"expected one of: {', '.join(known)}"


def whole(lowest: int, highest: int, what: str = "a whole number") -> Check:
    """A check for an integer within bounds; true and false are not integers."""

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise Invalid(f"expected {what} from {lowest} to {highest}")
        return value

    return check


port = whole(1, 65535, "a TCP port")


def number(lowest: float, highest: float, what: str) -> Check:
    """A check for an integer or a float within bounds, which becomes a float."""

    def check(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
            raise Invalid(f"expected {what} from {lowest:g} to {highest:g}")
        return float(value)

    return check


def choice(*names: str) -> Check:
    """A check for one of several words."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise Invalid("expected " + " or ".join(f'"{name}"' for name in names))
        return value

    return check


def address(value: object) -> str:
    """An IP address or a host name that other nodes can connect to."""
    if not isinstance(value, str):
        raise Invalid('expected an IP address or a host name in quotes, such as "10.0.0.21"')
    if re.fullmatch(r"[0-9.]+|.*:.*", value):
        return str(_ip_address(value))
    if len(value) > 253 or not _HOST_NAME.fullmatch(value):
        raise Invalid("expected an IP address or a host name (lower case letters, digits, - and .)")
    return value


def _ip_address(value: str) -> IPv4Address | IPv6Address:
    try:
        parsed = ip_address(value)
    except ValueError:
        raise Invalid("expected an IP address without port, or a host name") from None
    if parsed.is_unspecified or parsed.is_multicast or getattr(parsed, "scope_id", None):
        raise Invalid("expected an address of one machine that others can connect to")
    return parsed


def node_name(value: object) -> str:
    """A node's name: the first label of its host name."""
    if not isinstance(value, str) or not re.fullmatch(_LABEL, value):
        raise Invalid("expected a node name of up to 63 lower case letters, digits and -")
    return value


def roles(known: tuple[str, ...]) -> Check:
    """A check for a list of at least one role, none twice, which becomes a tuple."""

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise Invalid(f'expected a list of roles, such as ["{known[0]}"]')
        for index, role in enumerate(value):
            if role not in known:
                raise Invalid(f"no such role; {nearest(role, known)}", path=[index])
            if role in value[:index]:
                raise Invalid("this role is in the list twice", path=[index])
        return tuple(value)

    return check


def attributes(value: object) -> dict[str, str]:
    """A node's attributes in Mesos: short words without ``;`` and ``:``, which separate them there."""
    if not isinstance(value, dict):
        raise Invalid('expected a table, such as { rack = "a" }')
    for name, text in value.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
            raise Invalid("expected a name of up to 64 letters, digits, _ and -", path=[name])
        if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_./-]{1,64}", text):
            raise Invalid("expected up to 64 letters, digits, _, ., / and - in quotes", path=[name])
    return dict(value)


def spark_master(value: object) -> str:
    """Spark's master: local mode, or a cluster manager's URL."""
    if not isinstance(value, str) or not _SPARK_MASTER.fullmatch(value):
        raise Invalid('expected "local", "local[N]", "spark://HOST:PORT" or "mesos://…"')
    return value


def path_or_empty(value: object) -> str:
    """An absolute path, or an empty string."""
    if not isinstance(value, str) or not value.isprintable() or (value and not value.startswith("/")):
        raise Invalid('expected an absolute path in quotes, such as "/usr/lib/libmesos.so", or ""')
    return value

"""The addresses of nodes: the network that a card is set to, and which ones other nodes can connect to."""

from ipaddress import IPv4Address, IPv6Address, ip_address

#: The nodes of a cluster of cards share one network; larger clusters have routers, and names instead of addresses.
_PREFIX_BITS = {4: 24, 6: 64}
#: What /etc/hosts calls a machine's own address.
_OWN_NAMES = ("localhost", "ip6-localhost", "ip6-loopback")


def with_prefix(address: str) -> str | None:
    """An IP address with the prefix length that a card is set to; None for a host name."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return f"{address}/{_PREFIX_BITS[parsed.version]}"


def is_loopback(address: str) -> bool:
    """Whether it is a loopback address. False for a host name."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return parsed.is_loopback


def why_unreachable(address: str) -> str | None:
    """Why no other node can connect to this address; None if one may be able to.

    The unspecified address and those of several machines are never good: ``validators.address`` refuses them.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        first = address.split(".")[0]
        is_own = first in _OWN_NAMES or address.endswith(".localhost")
        return "every machine has this name for itself" if is_own else None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return _why(mapped or parsed)


def _why(address: IPv4Address | IPv6Address) -> str | None:
    if address.is_loopback:
        return "every machine has this address for itself (loopback)"
    if address.is_link_local:
        return "it does not tell on which link it is (link-local)"
    if address.version == 4 and (int(address) >> 24 == 0 or address.is_reserved):
        return "no machine can have it"
    bits = _PREFIX_BITS[address.version]
    host_mask = (1 << (address.max_prefixlen - bits)) - 1
    if int(address) & host_mask in (0, host_mask):
        return f"it is the first or last address of its network, a /{bits}, which no machine can have"
    return None

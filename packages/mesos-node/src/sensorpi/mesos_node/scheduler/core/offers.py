"""What the agents offer, added up by agent, as far as every framework may use it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PortRange = tuple[int, int]


@dataclass
class Bundle:
    """All offers of one agent, less what was taken for tasks. ``ports`` are inclusive ranges."""

    agent_id: str
    hostname: str
    agent: str  # "host:port"
    role: str
    attributes: dict[str, str]
    offer_ids: list[str] = field(default_factory=list)
    cpus: float = 0.0
    mem_mb: float = 0.0
    ports: list[PortRange] = field(default_factory=list)

    @property
    def place(self) -> dict[str, str]:
        """The attributes, with ``hostname`` among them."""
        return {**self.attributes, "hostname": self.hostname}

    def lacks(self, cpus: float, mem_mb: float, ports: Sequence[int]) -> str | None:
        """What is missing for a task, or None when it fits."""
        if cpus > self.cpus + 1e-6:  # scalars have three decimals
            return f"{self.hostname} offers {self.cpus:g} of {cpus:g} cpus"
        if mem_mb > self.mem_mb + 1e-6:
            return f"{self.hostname} offers {self.mem_mb:g} of {mem_mb:g} MB"
        for port in ports:
            if not any(begin <= port <= end for begin, end in self.ports):
                return f"{self.hostname} does not offer port {port}"
        return None

    def free_port(self, wanted: Iterable[PortRange]) -> int | None:
        """The lowest offered port in one of the wanted ranges."""
        starts = [
            max(begin, low) for begin, end in self.ports for low, high in wanted if max(begin, low) <= min(end, high)
        ]
        return min(starts, default=None)

    def take(self, cpus: float, mem_mb: float, ports: Sequence[int]) -> None:
        """Use up what ``lacks`` found to be there."""
        self.cpus -= cpus
        self.mem_mb -= mem_mb
        for port in ports:
            self.ports = [piece for each in self.ports for piece in _without(each, port)]


def _without(ports: PortRange, port: int) -> list[PortRange]:
    begin, end = ports
    if not begin <= port <= end:
        return [ports]
    return [piece for piece in ((begin, port - 1), (port + 1, end)) if piece[0] <= piece[1]]


def bundles(offers: Iterable[Mapping[str, Any]]) -> list[Bundle]:
    """The offers of one OFFERS event by agent, without reserved and revocable resources."""
    by_agent: dict[str, Bundle] = {}
    for offer in offers:
        agent_id = offer["agent_id"]["value"]
        if agent_id not in by_agent:
            by_agent[agent_id] = Bundle(
                agent_id=agent_id,
                hostname=offer["hostname"],
                agent=_address(offer),
                role=offer.get("allocation_info", {}).get("role", "*"),
                attributes=dict(_attribute(each) for each in offer.get("attributes", [])),
            )
        bundle = by_agent[agent_id]
        bundle.offer_ids.append(offer["id"]["value"])
        for resource in offer.get("resources", []):
            _add(bundle, resource)
    return list(by_agent.values())


def _add(bundle: Bundle, resource: Mapping[str, Any]) -> None:
    if resource.get("role", "*") != "*" or resource.get("reservations") or "revocable" in resource:
        return
    if resource["name"] == "cpus":
        bundle.cpus += resource.get("scalar", {}).get("value", 0.0)
    elif resource["name"] == "mem":
        bundle.mem_mb += resource.get("scalar", {}).get("value", 0.0)
    elif resource["name"] == "ports":
        bundle.ports += [(each["begin"], each["end"]) for each in resource.get("ranges", {}).get("range", [])]


def _address(offer: Mapping[str, Any]) -> str:
    address = offer.get("url", {}).get("address", {})
    return f"{address['ip']}:{address['port']}" if "ip" in address and "port" in address else ""


def _attribute(attribute: Mapping[str, Any]) -> tuple[str, str]:
    if attribute["type"] == "SCALAR" and "scalar" in attribute:
        return attribute["name"], f"{attribute['scalar']['value']:g}"
    return attribute["name"], str(attribute.get("text", {}).get("value", ""))

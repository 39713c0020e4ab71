"""Mesos's daemons on a node: the flags, files and probes that the cluster file gives them."""

import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sensorpi.common.cluster.model import Cluster, example_text, parse
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.daemons import mesos_flags
from sensorpi.mesos_node.daemons.leftover_tasks import service_processes
from sensorpi.mesos_node.daemons.mesos_probe import AGENT_PATH, mesos_probe
from sensorpi.mesos_node.daemons.offer import Offer, offer_of, refusal
from sensorpi.mesos_node.daemons.systemd_units import systemd_units
from sensorpi.mesos_node.daemons.zookeeper import server_id, zoo_cfg, zookeeper_probe
from sensorpi.mesos_node.launcher import ProbeError
from tests.fakes.clusters import ONE_NODE, cluster_of, shipped

WORK = Path("/var/lib/sensorpi/x")
OFFER = Offer(4.0, 832, ((7000, 7089), (31000, 32000)), {})


def with_mesos(workers: int) -> Cluster:
    return replace(cluster_of(workers), engine="mesos")


@pytest.mark.parametrize(("workers", "servers"), [(1, 1), (2, 1), (3, 3), (4, 3), (7, 3)])
def test_an_odd_number_of_workers_runs_zookeeper(workers: int, servers: int) -> None:
    cluster = with_mesos(workers)
    hosts = [f"10.0.1.1{i}:2181" for i in range(servers)]
    assert mesos_flags.zookeeper_url(cluster) == f"zk://{','.join(hosts)}/mesos"
    assert [server_id(cluster, node) for node in cluster.workers[:servers]] == list(range(1, servers + 1))
    for node in cluster.workers[servers:]:
        with pytest.raises(UserError, match=rf"^{node.name} does not run ZooKeeper: cluster\.toml assigns it to w0"):
            server_id(cluster, node)
    have_it = [
        n.name for n in cluster.nodes if any("zookeeper.conf" in unit.files for unit in systemd_units(cluster, n, None))
    ]
    assert have_it == [node.name for node in cluster.workers[:servers]]


def test_zoo_cfg_names_each_server_of_an_ensemble() -> None:
    lines = zoo_cfg(with_mesos(3), WORK).splitlines()
    assert [line for line in lines if line.startswith("server.")] == [
        "server.1=10.0.1.10:2888:3888",
        "server.2=10.0.1.11:2888:3888",
        "server.3=10.0.1.12:2888:3888",
    ]
    assert {"dataDir=/var/lib/sensorpi/x", "clientPort=2181", "autopurge.purgeInterval=24"} <= set(lines)
    assert "clientPortAddress=127.0.0.1" not in lines


def test_a_cluster_of_one_machine_keeps_to_loopback() -> None:
    cluster = parse(ONE_NODE, "c.toml")
    lines = zoo_cfg(cluster, WORK).splitlines()
    assert "clientPortAddress=127.0.0.1" in lines
    assert not [line for line in lines if line.startswith("server.")]
    command = mesos_flags.master_command(cluster, cluster.nodes[0], WORK)
    assert {"--ip=127.0.0.1", "--hostname=127.0.0.1", "--zk=zk://127.0.0.1:2181/mesos"} <= set(command)


@pytest.mark.parametrize(("masters", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_a_majority_of_the_masters_is_the_quorum(masters: int, quorum: int) -> None:
    more = (f'[nodes.m{i}]\naddress = "10.0.2.{i}"\nroles = ["mesos-master"]\n' for i in range(1, masters))
    cluster = parse('engine = "mesos"\n' + ONE_NODE + "".join(more), "c.toml")
    assert f"--quorum={quorum}" in mesos_flags.master_command(cluster, cluster.with_role("mesos-master")[-1], WORK)


def test_a_masters_flags() -> None:
    cluster = shipped()
    command = mesos_flags.master_command(cluster, cluster.node("master02"), WORK)
    assert command[0] == "mesos-master"
    expected = {
        "--zk=zk://10.0.0.21:2181,10.0.0.22:2181,10.0.0.23:2181/mesos",
        "--quorum=1",
        "--ip=10.0.0.12",
        "--hostname=10.0.0.12",
        "--port=5050",
        "--work_dir=/var/lib/sensorpi/x",
    }
    assert expected <= set(command)


def test_an_agents_flags() -> None:
    cluster = shipped()
    node = cluster.node("worker02")
    command = mesos_flags.agent_command(cluster, node, WORK, offer_of(cluster, node))
    assert command[0] == "mesos-agent"
    expected = {
        "--master=zk://10.0.0.21:2181,10.0.0.22:2181,10.0.0.23:2181/mesos",
        "--ip=10.0.0.22",
        "--hostname=worker02",
        "--port=5051",
        "--work_dir=/var/lib/sensorpi/x",
        "--resources=cpus:4;mem:832;disk:1024;ports:[7000-7089,31000-32000]",
        "--reconfiguration_policy=additive",
        "--recover=reconnect",
        "--no-hostname_lookup",
    }
    assert expected <= set(command)
    assert not [word for word in command if word.startswith("--attributes")]


def test_attributes_and_other_ports_are_offered() -> None:
    text = example_text().replace("10.0.0.21", '10.0.0.21"\nattributes = { rack = "a", disk = "usb" }\n#', 1)
    cluster = parse(text.replace("#port = 7000 ", "port = 9092 "), "c.toml")
    node = cluster.node("worker01")
    command = mesos_flags.agent_command(cluster, node, WORK, offer_of(cluster, node))
    assert "--attributes=rack:a;disk:usb" in command
    assert "--resources=cpus:4;mem:832;disk:1024;ports:[7000-7089,31000-32000,9092-9092]" in command


def test_an_address_may_be_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = parse(example_text().replace("10.0.0.21", "worker01.local"), "c.toml")
    answers = {"worker01.local": "10.0.0.77"}

    def look_up(name: str, *_others: object) -> list[object]:
        return [(0, 0, 0, "", (answers[name], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert mesos_flags.own_ip_address(cluster, cluster.node("worker01")) == "10.0.0.77"
    answers["worker01.local"] = "127.0.1.1"
    with pytest.raises(
        UserError, match=r"^worker01: worker01\.local resolves to 127\.0\.1\.1 on this machine, where other"
    ):
        mesos_flags.own_ip_address(cluster, cluster.node("worker01"))


def test_an_ipv6_address_is_not_for_mesos() -> None:
    cluster = parse(example_text().replace("10.0.0.21", "fd00::21"), "c.toml")
    with pytest.raises(
        UserError, match=r"^worker01: Mesos needs an IPv4 address, and fd00::21 does not resolve to one"
    ):
        mesos_flags.own_ip_address(cluster, cluster.node("worker01"))


@pytest.mark.parametrize(
    ("later", "taken"),
    [
        (OFFER, ""),
        (replace(OFFER, memory_mb=1024, cpus=8.0), ""),
        (replace(OFFER, ports=((7000, 7100), (31000, 32000))), ""),
        (replace(OFFER, attributes={"rack": "a", "disk": "usb"}), ""),
        (replace(OFFER, memory_mb=512), "memory_mb 832 → 512"),
        (replace(OFFER, cpus=2.5), "cpus 4 → 2.5"),
        (replace(OFFER, attributes={"rack": "b"}), "attribute rack a → b"),
        (replace(OFFER, attributes={}), "attribute rack a → none"),
        (replace(OFFER, ports=((7000, 7088), (31000, 32000))), "port 7089 → none"),
        (replace(OFFER, memory_mb=512, cpus=1.0), "cpus 4 → 1, memory_mb 832 → 512"),
    ],
)
def test_an_agent_with_less_than_before_is_refused_in_one_line(tmp_path: Path, later: Offer, taken: str) -> None:
    earlier = replace(OFFER, attributes={"rack": "a"})
    if not later.attributes and "attribute" not in taken:
        later = replace(later, attributes={"rack": "a"})
    assert refusal(earlier, tmp_path) == ""
    (tmp_path / "meta/slaves").mkdir(parents=True)
    (tmp_path / "meta/slaves/latest").symlink_to("a-b-c-S0")
    reason = refusal(later, tmp_path)
    assert (f"({taken})" in reason) if taken else (reason == "")
    assert len(reason.splitlines()) <= 1
    # What was refused is not what counts next time.
    assert (refusal(earlier, tmp_path) == "") == bool(taken or later == earlier)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cpus": 1, "ports": [1]}', "[" * 5000, '{"cpus": 1e400}'])
def test_a_damaged_file_of_the_last_offer_is_set_aside(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "meta/slaves").mkdir(parents=True)
    (tmp_path / "meta/slaves/latest").symlink_to("a-b-c-S0")
    (tmp_path / "offer.json").write_text(text)
    assert refusal(OFFER, tmp_path) == ""
    assert (tmp_path / "offer.json.damaged").read_text() == text
    assert [line.count("offer.json was damaged") for line in caplog.messages] == [1]


def test_an_agent_without_known_tasks_may_offer_anything(tmp_path: Path) -> None:
    assert refusal(OFFER, tmp_path) == ""
    assert refusal(replace(OFFER, memory_mb=400), tmp_path) == ""


@pytest.mark.parametrize(
    ("cgroups", "found"),
    [
        ("0::/system.slice/sensorpi-mesos-agent.service\n", True),
        ("1:name=systemd:/system.slice/sensorpi-mesos-agent.service\n0::/\n", True),
        ("0::/user.slice/user-0.slice/session-1.scope\n", False),
        ("0::/system.slice/sensorpi-kafka.service\n", False),
        ("0::/\n", False),
    ],
)
def test_only_processes_of_the_agents_own_service_are_ended(tmp_path: Path, cgroups: str, found: bool) -> None:
    folder = tmp_path / "system.slice/sensorpi-mesos-agent.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").touch()
    procs = service_processes(cgroups, (tmp_path / "nowhere", tmp_path))
    assert procs == (folder / "cgroup.procs" if found else None)


class Health(http.server.BaseHTTPRequestHandler):
    """Answers one path."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == AGENT_PATH else 404)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def http_port() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_probe_of_mesos_wants_its_own_answer(http_port: int) -> None:
    assert mesos_probe("127.0.0.1", http_port, AGENT_PATH)() == f"answers at 127.0.0.1:{http_port}"
    with pytest.raises(ProbeError, match=r"/other answers 404$"):
        mesos_probe("127.0.0.1", http_port, "/other")()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"Zookeeper version: 3.8.0\nMode: follower\nNode count: 5\n", "serves at port {}, follower"),
        (
            b"This ZooKeeper instance is not currently serving requests\n",
            "answers at port {}, waiting for a majority of the servers",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", None),
        (b"", None),
    ],
)
def test_the_probe_of_zookeeper_knows_a_server_without_majority(answer: bytes, status: str | None) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        probe = zookeeper_probe(port)
        if status is None:
            with pytest.raises(ProbeError, match=rf"^port {port} does not answer like ZooKeeper"):
                probe()
        else:
            assert probe() == status.format(port)
        thread.join()


def test_nothing_at_the_port_is_no_success() -> None:
    with pytest.raises(ProbeError, match=r"^port 1: "):
        zookeeper_probe(1)()
    with pytest.raises(ProbeError, match=r"^127\.0\.0\.1:1: "):
        mesos_probe("127.0.0.1", 1, AGENT_PATH)()


def test_the_other_engine_has_none_of_it() -> None:
    cluster = shipped()
    assert all(systemd_units(cluster, node, None) == [] for node in cluster.nodes)

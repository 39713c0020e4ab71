"""The cluster file: what a good one means, and the one line that each mistake gives."""

# The lines of the table are wide, so that each mistake is next to its message.
# ruff: noqa: E501

import re
from pathlib import Path

import pytest

from sensorpi.common.cluster.model import example_text, load, parse, read
from sensorpi.common.cluster.schema import ROLES
from sensorpi.common.errors import UserError
from tests.fakes.clusters import ONE_NODE, shipped


def test_the_shipped_file_describes_the_six_nodes() -> None:
    assert {node.name: (node.address, *node.roles) for node in shipped().nodes} == {
        "sensor01": ("10.0.0.99", "sensor"),
        "worker01": ("10.0.0.21", "mesos-worker"),
        "worker02": ("10.0.0.22", "mesos-worker"),
        "worker03": ("10.0.0.23", "mesos-worker"),
        "master01": ("10.0.0.11", "influx-grafana"),
        "master02": ("10.0.0.12", "mesos-master"),
    }


def test_the_shipped_files_commented_lines_are_the_defaults() -> None:
    switched_on = re.sub(r"(?m)^#(?=\w+ = )", "", example_text())
    assert "\nport = 7000" in switched_on
    assert parse(switched_on, "all keys written out") == shipped()


def test_a_file_that_windows_has_written_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_bytes(b"\xef\xbb\xbf" + example_text().replace("\n", "\r\n").encode())
    assert load(path) == shipped()
    assert read(path) == example_text()


def test_only_the_nodes_have_to_be_there() -> None:
    cluster = parse(ONE_NODE, "cluster.toml")
    assert (cluster.engine, cluster.kafka.port, cluster.influxdb.raw_retention_days) == ("standalone", 7000, 30)


def test_a_value_in_the_file_replaces_its_default_only() -> None:
    kafka = parse(ONE_NODE + "[kafka]\nheap_mb = 64\n", "cluster.toml").kafka
    assert (kafka.heap_mb, kafka.memory_mb, kafka.port) == (64, 320, 7000)


def test_a_whole_number_will_do_for_a_rate() -> None:
    assert parse(ONE_NODE + "[sensor]\nrate_hz = 2\n", "cluster.toml").sensor.rate_hz == 2.0


@pytest.mark.parametrize(
    "master", ["local", "local[2]", "local[*]", "spark://192.0.2.7:7077", "spark://box:7077", "mesos://zk://w1:2181/m"]
)
def test_spark_computes_where_the_file_says(master: str) -> None:
    assert parse(ONE_NODE + f'[spark]\nmaster = "{master}"\n', "cluster.toml").spark.master == master


def test_ports_that_a_local_job_does_not_use_are_free_for_others() -> None:
    assert parse(ONE_NODE + "[kafka]\nport = 7080\n", "cluster.toml").kafka.port == 7080


@pytest.mark.parametrize("address", ["10.0.0.21", "fd00::2", "worker01", "worker01.local", "127.0.0.1"])
def test_an_address_is_an_ip_address_or_a_host_name(address: str) -> None:
    assert parse(ONE_NODE.replace("192.0.2.7", address), "cluster.toml").nodes[0].address == address


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("[kafka]\nport = 70000", "c.toml: kafka.port = 70000: expected a TCP port from 1 to 65535"),
        ("[kafka]\nport = true", "c.toml: kafka.port = true: expected a TCP port from 1 to 65535"),
        ('[kafka]\nport = "7000"', 'c.toml: kafka.port = "7000": expected a TCP port from 1 to 65535'),
        ("[kafka]\npartition = 4", 'c.toml: kafka.partition = 4: unknown key; did you mean "partitions"?'),
        ("[kafka]\nmemory_mb = 200", "c.toml: kafka.memory_mb = 200: expected at least 304: the heap of 128 and 176 more"),
        ("[kafka]\nheap_mb = 1024", "c.toml: kafka.heap_mb = 1024: needs a memory_mb of at least 1200, but that is 320"),
        ("[kafka]\ncontroller_port = 7000", "c.toml: kafka.controller_port = 7000: this port is already used by kafka.port"),
        ("[influxdb]\nport = 7001", "c.toml: influxdb.port = 7001: this port is already used by kafka.controller_port"),
        ("[kafka]\nport = 8080", "c.toml: kafka.port = 8080: this port is already used by dashboard.port"),
        ("[mesos]\napi_port = 8080", "c.toml: mesos.api_port = 8080: this port is already used by dashboard.port"),
        ("[mesos]\nzookeeper_port = 2888", "c.toml: mesos.zookeeper_port = 2888: this port is already used by mesos.zookeeper_peer_port"),
        ('[nodes.two]\naddress = "a"\nroles = ["sensor"]\nattributes = ["a"]', 'c.toml: nodes.two.attributes = ["a"]: expected a table, such as { rack = "a" }'),
        ('[nodes.two]\naddress = "a"\nroles = ["sensor"]\nattributes = { rack = "a;b" }', 'c.toml: nodes.two.attributes.rack = "a;b": expected up to 64 letters, digits, _, ., / and - in quotes'),
        ('[nodes.two]\naddress = "a"\nroles = ["sensor"]\nattributes = { "a:b" = "c" }', 'c.toml: nodes.two.attributes.a:b = "c": expected a name of up to 64 letters, digits, _ and -'),
        ('[nodes.two]\naddress = "a"\nroles = ["sensor"]\nmemory_mb = 64', "c.toml: nodes.two.memory_mb = 64: expected a whole number from 192 to 16777216"),
        ('[nodes.two]\naddress = "a"\nroles = ["sensor"]\ncpus = 0', "c.toml: nodes.two.cpus = 0: expected processors from 0.1 to 1024"),
        ("[spark]\nmaster = \"yarn\"", 'c.toml: spark.master = "yarn": expected "local", "local[N]", "spark://HOST:PORT" or "mesos://…"'),
        ('[spark]\nmaster = "spark://10.0.0.1:7077"', 'c.toml: spark.master = "spark://10.0.0.1:7077": expected the address of a mesos-master, such as "spark://192.0.2.7:7077"'),
        ('[spark]\nmaster = "spark://box"', 'c.toml: spark.master = "spark://box": expected the address of a mesos-master, such as "spark://192.0.2.7:7077"'),
        ('[spark]\nmaster = "spark://box:7080"', 'c.toml: spark.master = "spark://box:7080": port 7080 is already used by spark.first_port'),
        ('[spark]\nmaster = "spark://box:8086"', 'c.toml: spark.master = "spark://box:8086": port 8086 is already used by influxdb.port'),
        ('[spark]\nmaster = "spark://box:7077"\nfirst_port = 8082', "c.toml: spark: Spark needs the ports 8082 to 8087, and 8086 is already used by influxdb.port"),
        ('[spark]\nmesos_native_library = "libmesos.so"', 'c.toml: spark.mesos_native_library = "libmesos.so": expected an absolute path in quotes, such as "/usr/lib/libmesos.so", or ""'),
        ('[spark]\ncheckpoint = "s3"', 'c.toml: spark.checkpoint = "s3": expected "local" or "nfs"'),
        ("[sensor]\nrate_hz = 0", "c.toml: sensor.rate_hz = 0: expected readings per second from 0.001 to 1000"),
        ("[sensor]\nrate_hz = nan", "c.toml: sensor.rate_hz = NaN: expected readings per second from 0.001 to 1000"),
        ("[dashbord]\nport = 1", 'c.toml: dashbord: unknown key; did you mean "dashboard"?'),
        ("[zoo]", "c.toml: zoo: unknown key; expected one of: engine, nodes, kafka, spark, influxdb, sensor, dashboard, mesos"),
        ('[nodes.Box_2]\naddress = "a"\nroles = ["sensor"]', "c.toml: nodes.Box_2: expected a node name of up to 63 lower case letters, digits and -"),
        ('[nodes.two]\nroles = ["sensor"]', "c.toml: nodes.two.address is missing"),
        ('[nodes.two]\naddress = "a"', "c.toml: nodes.two.roles is missing"),
        ('[nodes.two]\naddress = "a"\nrole = ["sensor"]', 'c.toml: nodes.two.role = ["sensor"]: unknown key; did you mean "roles"?'),
        ('[nodes.two]\naddress = "a"\nroles = ["sensr"]', 'c.toml: nodes.two.roles[0] = "sensr": no such role; did you mean "sensor"?'),
        ('[nodes.two]\naddress = "a"\nroles = [[]]', "c.toml: nodes.two.roles[0] = []: no such role; expected one of: sensor, mesos-worker, mesos-master, influx-grafana"),
        ('[nodes.two]\naddress = "a"\nroles = "sensor"', 'c.toml: nodes.two.roles = "sensor": expected a list of roles, such as ["sensor"]'),
        ('[nodes.two]\naddress = "a"\nroles = []', 'c.toml: nodes.two.roles = []: expected a list of roles, such as ["sensor"]'),
        ('[nodes.two]\naddress = "a"\nroles = ["sensor", "sensor"]', 'c.toml: nodes.two.roles[1] = "sensor": this role is in the list twice'),
        ('[nodes.two]\naddress = "a"\nroles = ["influx-grafana"]', 'c.toml: nodes.two.roles[0] = "influx-grafana": only one node can have this role, and box has it already'),
        ('[nodes.two]\naddress = "a"\nroles = ["mesos-master"]', 'c.toml: nodes.two.roles[0] = "mesos-master": only one node can have this role, and box has it already'),
        ('[nodes.two]\naddress = "192.0.2.7"\nroles = ["sensor"]', 'c.toml: nodes.two.address = "192.0.2.7": box has this address already; one node can have several roles'),
        ('[nodes.two]\naddress = "10.0.0.256"\nroles = ["sensor"]', 'c.toml: nodes.two.address = "10.0.0.256": expected an IP address without port, or a host name'),
        ('[nodes.two]\naddress = "10.0.0.2:7000"\nroles = ["sensor"]', 'c.toml: nodes.two.address = "10.0.0.2:7000": expected an IP address without port, or a host name'),
        ('[nodes.two]\naddress = "0.0.0.0"\nroles = ["sensor"]', 'c.toml: nodes.two.address = "0.0.0.0": expected an address of one machine that others can connect to'),
        ('[nodes.two]\naddress = "a host"\nroles = ["sensor"]', 'c.toml: nodes.two.address = "a host": expected an IP address or a host name (lower case letters, digits, - and .)'),
        ("[nodes.two]\naddress = 10\nroles = ['sensor']", 'c.toml: nodes.two.address = 10: expected an IP address or a host name in quotes, such as "10.0.0.21"'),
        ("kafka = 7000", "c.toml: kafka = 7000: expected a table"),
        ('engine = "yarn"', 'c.toml: engine = "yarn": expected "standalone" or "mesos"'),
        ("engine = 2026-11-24", 'c.toml: engine = "2026-11-24": expected "standalone" or "mesos"'),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(more: str, line: str) -> None:
    text = ONE_NODE + more if more.startswith("[") else more + "\n" + ONE_NODE
    with pytest.raises(UserError) as mistake:
        parse(text, "c.toml")
    assert str(mistake.value) == line


@pytest.mark.parametrize("role", [role for role in ROLES if role != "sensor"])
def test_a_cluster_without_a_needed_role_is_a_mistake(role: str) -> None:
    with pytest.raises(UserError, match=rf"^c\.toml: nodes: no node has the role {role}, which "):
        parse(ONE_NODE.replace(f', "{role}"', ""), "c.toml")


def test_mesos_allows_several_masters() -> None:
    more = '[nodes.two]\naddress = "a"\nroles = ["mesos-master"]\n'
    assert len(parse('engine = "mesos"' + ONE_NODE + more, "c.toml").with_role("mesos-master")) == 2


MESOS = 'engine = "mesos"' + ONE_NODE
ON_BOX = '[spark]\nmaster = "spark://box:7077"\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (MESOS + "memory_mb = 300\n", "nodes.box: its memory_mb is 300, but a broker needs 320 (kafka.memory_mb)"),
        (MESOS + "memory_mb = 831\n", "nodes.box: no worker has enough memory_mb for the job: here it is 831, but a broker of 320 and the job of 512 (spark.heap_mb + 320) need 832"),
        (MESOS + '[nodes.two]\naddress = "a"\nroles = ["mesos-worker"]\nmemory_mb = 200\n', "nodes.two: its memory_mb is 200, but a broker needs 320 (kafka.memory_mb)"),
        (MESOS + "memory_mb = 1051\n" + ON_BOX, "nodes.box: its memory_mb is 1051, but a broker of 320, Spark's worker of 582, Spark's master of 150 need 1052"),
        (MESOS + "memory_mb = 1563\n" + ON_BOX, "nodes.box: no worker has enough memory_mb for the job: here it is 1563, but a broker of 320, Spark's worker of 582, Spark's master of 150 and the job of 512 (spark.heap_mb + 320) need 1564"),
        (MESOS + "memory_mb = 2048\n" + '[nodes.two]\naddress = "a"\nroles = ["mesos-worker"]\n' + ON_BOX, "nodes.two: its memory_mb is 832, but a broker of 320, Spark's worker of 582 need 902"),
        (MESOS + "memory_mb = 2048\n" + '[nodes.two]\naddress = "a"\nroles = ["mesos-master"]\n' + ON_BOX.replace("box", "two"), 'spark.master = "spark://two:7077": expected the address of a mesos-worker, such as "spark://192.0.2.7:7077"'),
        (MESOS + "[spark]\nheap_mb = 256\n", "nodes.box: no worker has enough memory_mb for the job: here it is 832, but a broker of 320 and the job of 576 (spark.heap_mb + 320) need 896"),
    ],
)  # fmt: skip
def test_what_mesos_is_to_run_fits_what_the_workers_offer(text: str, line: str) -> None:
    with pytest.raises(UserError) as mistake:
        parse(text, "c.toml")
    assert str(mistake.value) == f"c.toml: {line}"


def test_one_larger_worker_has_room_for_the_job() -> None:
    two = '[nodes.two]\naddress = "a"\nroles = ["mesos-worker"]\n'
    cluster = parse(MESOS + "memory_mb = 320\n" + two, "c.toml")
    assert [worker.memory_mb for worker in cluster.workers] == [320, 832]


def test_a_two_gigabyte_worker_has_room_for_spark_and_the_job() -> None:
    assert parse(MESOS + "memory_mb = 1564\n" + ON_BOX, "c.toml").spark.worker_memory_mb == 582


def test_offers_do_not_matter_without_mesos() -> None:
    assert parse(ONE_NODE + "memory_mb = 200\n", "c.toml").nodes[0].memory_mb == 200


def test_a_node_has_attributes() -> None:
    cluster = parse(ONE_NODE + 'attributes = { rack = "a", disk = "usb" }\n', "c.toml")
    assert cluster.nodes[0].attributes == {"rack": "a", "disk": "usb"}


def test_a_file_without_nodes_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"^c\.toml: nodes is missing$"):
        parse("", "c.toml")


def test_an_empty_table_of_nodes_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"^c\.toml: nodes: expected at least one table \[nodes\.NAME\]$"):
        parse("[nodes]", "c.toml")


def test_a_long_value_is_cut_short() -> None:
    with pytest.raises(UserError) as mistake:
        parse(f'engine = "{"x" * 500}"' + ONE_NODE, "c.toml")
    assert len(str(mistake.value)) < 150


def test_a_line_that_is_not_toml_is_named() -> None:
    with pytest.raises(UserError, match=r"^c\.toml: not TOML: .*line 5"):
        parse(ONE_NODE.rstrip("\n") + "\nport: 7000", "c.toml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"/cluster\.toml: No such file or directory$"):
        load(tmp_path / "cluster.toml")


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_bytes(ONE_NODE.encode() + b"# caf\xe9\n")
    with pytest.raises(UserError, match=r"/cluster\.toml: byte \d+ is not UTF-8$"):
        load(tmp_path / "cluster.toml")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[kafka]\nport = " + "9" * 5000, "not TOML: Exceeds the limit"),
        ("[kafka]\nport = 0x" + "f" * 5000, "kafka.port = …: expected a TCP port from 1 to 65535"),
        ("[kafka]\nport = " + "[" * 2000, "not TOML: "),
        ('[spark]\nmesos_native_library = "/a\\nb"', "spark.mesos_native_library"),
    ],
)
def test_what_python_itself_stumbles_over_is_a_mistake_too(text: str, mistake: str) -> None:
    with pytest.raises(UserError) as error:
        parse(f"{ONE_NODE}{text}\n", "c.toml")
    assert str(error.value).startswith(f"c.toml: {mistake}")
    assert "\n" not in str(error.value)

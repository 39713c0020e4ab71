"""Spark's settings for each kind of `[spark] master`."""

from pathlib import Path

import pytest

from sensorpi.common.cluster.model import example_text, parse
from sensorpi.common.errors import UserError
from sensorpi.pipeline.job.executors import check_versions
from sensorpi.pipeline.job.spark_master import SparkMaster, bind_address

KEY = bytes(range(32))
JARS = Path("/usr/share/sensorpi-spark/jars")


def master_of(spark: str, address: str = "10.0.0.12") -> SparkMaster:
    cluster = parse(
        example_text().replace('"10.0.0.12"', f'"{address}"').replace("[spark]", f"[spark]\n{spark}"), "c.toml"
    )
    return SparkMaster.configured(cluster, cluster.spark_node, KEY, JARS)


@pytest.mark.parametrize(("master", "expected"), [("local", "local[1,4]"), ("local[3]", "local[3,4]")])
def test_a_local_job_is_on_loopback_with_its_cores(master: str, expected: str) -> None:
    local = master_of(f'master = "{master}"')
    assert local.is_local
    assert dict(local.settings) == {
        "spark.master": expected,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }


def test_a_job_on_a_cluster_has_its_address_and_fixed_ports() -> None:
    found = master_of('master = "spark://10.0.0.12:7077"\nexecutor_heap_mb = 128\nfirst_port = 9000')
    assert found.settings.items() >= {
        "spark.master": "spark://10.0.0.12:7077",
        "spark.driver.host": "10.0.0.12",
        "spark.driver.bindAddress": "10.0.0.12",
        "spark.driver.port": "9001",
        "spark.driver.blockManager.port": "9002",
        "spark.blockManager.port": "9003",
        "spark.executor.memory": "128m",
        "spark.executor.cores": "1",
        "spark.authenticate": "true",
    }.items()  # fmt: skip
    [secret] = found.secrets.values()
    assert secret not in found.settings.values()
    assert secret not in repr(found)


def test_an_address_that_is_a_name_is_not_looked_up_to_listen() -> None:
    """Debian's /etc/hosts has a machine's own name at 127.0.1.1."""
    assert master_of('master = "spark://master02:7077"', "master02.local").settings.items() >= {
        "spark.driver.host": "master02.local",
        "spark.driver.bindAddress": "0.0.0.0",
    }.items()  # fmt: skip
    assert bind_address("[fd00::2]") == "[fd00::2]"


MESOS = 'master = "mesos://zk://10.0.0.21:2181/mesos"'


def test_mesos_gets_its_library_and_the_nodes_address(tmp_path: Path) -> None:
    library = tmp_path / "libmesos.so"
    library.touch()
    found = master_of(f'{MESOS}\nmesos_native_library = "{library}"')
    assert dict(found.environment) == {"MESOS_NATIVE_JAVA_LIBRARY": str(library), "LIBPROCESS_IP": "10.0.0.12"}
    assert found.settings["spark.master"] == "mesos://zk://10.0.0.21:2181/mesos"
    assert found.settings["spark.mesos.executor.home"] == "/usr/share/sensorpi-spark"
    assert found.settings["spark.driver.port"] == "7079"
    assert found.settings["spark.cores.max"] == "3"
    assert "spark.authenticate" not in found.settings
    assert "spark.blockManager.port" not in found.settings  # an agent would have to offer it
    assert found.settings["spark.mesos.checkpoint"] == "true"


def test_the_bindings_of_a_cmake_build_are_found(tmp_path: Path) -> None:
    """CMake puts them into a library of their own, beside libmesos.so."""
    bindings = tmp_path / "libmesos-java.so"
    for library in (tmp_path / "libmesos.so", bindings):
        bindings.touch()
        library.touch()
        found = master_of(f'{MESOS}\nmesos_native_library = "{library}"')
        assert found.environment["MESOS_NATIVE_JAVA_LIBRARY"] == str(bindings)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("", "needs a libmesos with Java bindings: write its path into [spark] mesos_native_library"),
        (
            'mesos_native_library = "/nowhere/libmesos.so"',
            "needs a libmesos with Java bindings, and [spark] mesos_native_library = /nowhere/libmesos.so does not "
            "exist",
        ),
    ],
)
def test_mesos_without_its_library_is_one_line(more: str, line: str) -> None:
    with pytest.raises(UserError) as mistake:
        master_of(f"{MESOS}\n{more}")
    assert str(mistake.value) == f'[spark] master = "mesos://zk://10.0.0.21:2181/mesos" {line}'


def test_a_worker_with_another_python_is_one_line() -> None:
    text = (
        "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different "
        "version (3, 13) than that in driver 3.11, PySpark cannot run with different minor versions."
    )
    with pytest.raises(UserError) as mistake:
        check_versions(text)
    assert str(mistake.value) == (
        "a Spark worker has Python 3.13 and the job 3.11: install the same Debian release on all nodes"
    )
    check_versions("another failure")

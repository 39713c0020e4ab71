"""Clusters for the tests."""

from sensorpi.common.cluster.model import Cluster, example_text, parse

#: One machine with every role, as the text of a cluster file.
ONE_NODE = """
[nodes.box]
address = "192.0.2.7"
roles = ["sensor", "mesos-worker", "mesos-master", "influx-grafana"]
"""


def shipped() -> Cluster:
    """The six nodes of the example file."""
    return parse(example_text(), "cluster.toml")


def spark_cluster_of(workers: int, more: str = "", host: str = "10.0.1.10") -> Cluster:
    """That many workers of 2 GB under Mesos, with Spark's standalone cluster on them, by default its master on w0."""
    head = 'engine = "mesos"\n[nodes.m]\naddress = "10.0.0.9"\nroles = ["mesos-master", "influx-grafana"]\n'
    nodes = (
        f'[nodes.w{i}]\naddress = "10.0.1.1{i}"\nroles = ["mesos-worker"]\nmemory_mb = 2048\n' for i in range(workers)
    )
    return parse(f'{head}{"".join(nodes)}[spark]\nmaster = "spark://{host}:7077"\n{more}', "cluster.toml")


def cluster_of(workers: int) -> Cluster:
    """That many workers w0, w1, … at 10.0.1.10, 10.0.1.11, … and one node for the rest."""
    head = '[nodes.m]\naddress = "10.0.0.9"\nroles = ["mesos-master", "influx-grafana"]\n'
    nodes = (f'[nodes.w{i}]\naddress = "10.0.1.1{i}"\nroles = ["mesos-worker"]\n' for i in range(workers))
    return parse(head + "".join(nodes), "cluster.toml")

"""A real influxd on a disk that fills up or is read-only at its start recovers, with the watch over it."""

import os
from collections.abc import Callable
from pathlib import Path

from onebox.influxd import influxd_process, watch_process
from onebox.process import Service
from sensorpi.pipeline.influx.client import DATABASE, INFLUXDB_ERRORS, RAW, WATCH, Credentials, Endpoint, writer_client
from sensorpi.pipeline.influx.setup import set_up
from tests.chaos.disks import Disk
from tests.chaos.network import Network
from tests.fakes.child import in_namespaces
from tests.integration.waiting import wait_until

ENDPOINT = Endpoint("10.0.0.11", 8086)
CREDENTIALS = Credentials("admin-secret", "writer-secret", "reader-secret")
POINT = "sensor,sensor=EnviroPhat,host=a temperature=21.5"
NO_SPACE = "no space left on device"


class Storage:
    """InfluxDB and the watch over it on a machine with a small disk of its own, supervised as by `make run`."""

    def __init__(self, home: Path) -> None:
        network = Network(home / "network", {"influxdb": ENDPOINT.host})
        (home / "sockets").mkdir()
        self.disk = Disk(home / "disk", 64)
        self.watch_log = home / "watch.log"
        argv, environment = influxd_process(self.disk.folder, ENDPOINT.port, 8088)
        environment["INFLUXDB_HTTP_BIND_ADDRESS"] = str(ENDPOINT)
        self._client = writer_client(ENDPOINT, CREDENTIALS)
        inside = network.inside("influxdb")
        self.influxd = Service(
            "influxdb", [*inside, *argv], home / "influxd.log", environment, notify_socket=home / "sockets/influxdb"
        )
        self.influxd.start()
        set_up(ENDPOINT, CREDENTIALS, raw_retention_days=30)
        argv, passwords = watch_process(ENDPOINT, self.disk.folder, CREDENTIALS)
        self.watch = Service(
            "watch", [*inside, *argv], self.watch_log, os.environ | passwords, notify_socket=home / "sockets/watch"
        )
        self.watch.start()
        self.watch.wait_until_ready(30)

    def refusal(self) -> str:
        """What InfluxDB answers to a good point: nothing if it stores it."""
        self.influxd.watch()
        try:
            self._client.write([POINT], {"db": DATABASE, "rp": RAW}, protocol="line")
        except INFLUXDB_ERRORS as error:
            return str(error)
        return ""

    def start_on_a_read_only_disk(self) -> int | None:
        """Start influxd again, and return its pid when it hangs: none of its threads has run for two seconds."""
        assert self.refusal() == ""  # without data, it would not hang
        self.influxd.kill()
        wait_until(self.disk.make_read_only, "read-only")
        self.influxd.start()
        pid, polls = self.influxd.pid, 0

        def hangs() -> bool:
            nonlocal polls
            stats = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/stat")]
            sleeps = all(stat.partition("(influxd) ")[2][:1] == "S" for stat in stats)
            polls = polls + 1 if sleeps else 0
            return polls == 40

        wait_until(hangs, "influxd hangs")
        return pid

    def points_of_the_watch(self) -> int:
        """How many points the test writes have left."""
        return len(list(self._client.query(f'SELECT * FROM "{RAW}"."{WATCH}"').get_points()))

    def close(self) -> None:
        """End both."""
        self.watch.close()
        self.influxd.close()


def on_a_machine(home: Path, run: Callable[[Storage], None]) -> None:
    """Run it in a child in namespaces of its own; its exception is the test's failure."""

    def inside() -> None:
        storage = Storage(home)
        try:
            run(storage)
        finally:
            storage.close()

    in_namespaces(inside, (home / "watch.log").read_text)


def test_it_stores_again_after_a_full_disk(tmp_path: Path) -> None:
    def fill_and_empty(storage: Storage) -> None:
        first = storage.influxd.pid
        wait_until(lambda: storage.points_of_the_watch() == 1, "a test write")
        storage.disk.fill(nearly=False)
        wait_until(lambda: NO_SPACE in storage.refusal(), "a refusal")
        wait_until(lambda: "only 0 MB are free" in storage.watch_log.read_text(), "the line about the disk")
        assert storage.influxd.pid == first  # not while the disk is full
        storage.disk.empty()
        assert NO_SPACE in storage.refusal()
        wait_until(lambda: storage.refusal() == "", "a point is stored", 30)
        assert storage.influxd.pid != first
        wait_until(lambda: "stores points again after" in storage.watch_log.read_text(), "the line that it is back")
        assert storage.points_of_the_watch() in (1, 2)  # 2 if it is midnight now
        assert len(storage.watch_log.read_text().splitlines()) == 3

    on_a_machine(tmp_path, fill_and_empty)


def test_one_that_hangs_on_a_read_only_disk_is_restarted(tmp_path: Path) -> None:
    def make_it_writable(storage: Storage) -> None:
        hung = storage.start_on_a_read_only_disk()
        wait_until(lambda: "is read-only" in storage.watch_log.read_text(), "the line about the disk")
        assert storage.influxd.pid == hung
        storage.disk.make_writable()
        wait_until(lambda: storage.refusal() == "", "a point is stored", 30)
        assert storage.influxd.pid != hung

    on_a_machine(tmp_path, make_it_writable)


def test_one_that_hung_before_the_watch_is_restarted(tmp_path: Path) -> None:
    def start_the_watch_later(storage: Storage) -> None:
        storage.watch.stop()
        hung = storage.start_on_a_read_only_disk()
        storage.disk.make_writable()
        storage.watch.start()
        wait_until(lambda: storage.refusal() == "", "a point is stored", 60)
        assert storage.influxd.pid != hung

    on_a_machine(tmp_path, start_the_watch_later)

"""The checkpoint share: which nodes export and mount it, and how the job uses it."""

import subprocess
from pathlib import Path

import pytest

from sensorpi.common.cli.main import main
from sensorpi.common.cli.node_context import NodeContext
from sensorpi.common.cluster.model import Cluster, example_text, parse
from sensorpi.common.config.systemd_unit import SystemdUnit
from sensorpi.common.share.checkpoint import EXPORT_FILE, EXPORT_UNIT, MOUNT_FILE, MOUNT_UNIT, SHARE, systemd_units
from sensorpi.common.share.command import mount_when_there
from sensorpi.pipeline.command import checkpoint_folder

NFS = '[spark]\ncheckpoint = "nfs"'
ON_SHARE = example_text().replace("[spark]", NFS)


def cluster(text: str | None = None) -> Cluster:
    return parse(ON_SHARE if text is None else text, "cluster.toml")


def units_of(node: str, of: Cluster | None = None) -> list[SystemdUnit]:
    whole = of or cluster()
    return systemd_units(whole, whole.node(node), None, ids=lambda: (993, 992))


def test_a_local_checkpoint_needs_no_share() -> None:
    whole = cluster(example_text())
    assert [units_of(node.name, whole) for node in whole.nodes] == [[]] * 6


def test_the_master_exports_to_the_workers_as_the_jobs_user() -> None:
    [unit] = units_of("master02")
    assert (unit.name, unit.role) == (EXPORT_UNIT, "mesos-master")
    assert unit.files[EXPORT_FILE].splitlines() == [
        "SENSORPI_EXPORT_OPTIONS=rw,sync,no_subtree_check,all_squash,anonuid=993,anongid=992",
        f"SENSORPI_EXPORTS=10.0.0.21:{SHARE} 10.0.0.22:{SHARE} 10.0.0.23:{SHARE}",
    ]


def test_a_worker_mounts_it() -> None:
    [unit] = units_of("worker02")
    assert (unit.name, unit.role) == (MOUNT_UNIT, "mesos-worker")
    assert unit.files[MOUNT_FILE] == f"SENSORPI_SHARE=10.0.0.12:{SHARE}\n"


@pytest.mark.parametrize("node", ["sensor01", "master01"])
def test_a_node_that_never_runs_the_job_does_not_mount(node: str) -> None:
    assert units_of(node) == []


def test_a_second_master_mounts_what_the_first_exports() -> None:
    node = '[nodes.master03]\naddress = "10.0.0.13"\nroles = ["mesos-master"]\n\n[sensor]'
    text = example_text().replace("[spark]", NFS).replace("[sensor]", node)
    whole = cluster('engine = "mesos"\n' + text)
    assert [unit.name for unit in units_of("master03", whole)] == [MOUNT_UNIT]
    assert f"10.0.0.13:{SHARE}" in units_of("master02", whole)[0].files[EXPORT_FILE]


def test_one_machine_alone_exports_nothing() -> None:
    roles = '["mesos-worker", "mesos-master", "influx-grafana"]'
    whole = cluster(f'[nodes.box]\naddress = "192.0.2.7"\nroles = {roles}\n{NFS}\n')
    assert units_of("box", whole) == []


def a_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The calls of a stand-in for exportfs."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SENSORPI_EXPORT_OPTIONS", "rw,sync")
    monkeypatch.setenv("SENSORPI_EXPORTS", f"10.0.0.21:{SHARE} [fd00::22]:{SHARE}")
    return tmp_path / "calls"


def test_each_client_is_told_to_the_nfs_server(tmp_path: Path, exported: Path) -> None:
    a_program(tmp_path, "exportfs", f'echo "$*" >> {exported}')
    assert main(["share", "export"]) == 0
    assert exported.read_text().splitlines() == [f"-o rw,sync 10.0.0.21:{SHARE}", f"-o rw,sync [fd00::22]:{SHARE}"]


def test_what_was_exported_is_taken_back_and_nothing_of_others(tmp_path: Path, exported: Path) -> None:
    listed = f"/srv/music  *(ro,sync)\\n{SHARE}  10.0.0.29(sync,rw)\\n{SHARE}  10.0.0.21(sync,rw)"
    a_program(tmp_path, "exportfs", f'if [ "$1" = -s ]; then printf "{listed}\\n"; else echo "$*" >> {exported}; fi')
    assert main(["share", "unexport"]) == 0
    assert exported.read_text().splitlines() == [f"-u 10.0.0.29:{SHARE}", f"-u 10.0.0.21:{SHARE}"]


def test_a_missing_nfs_server_is_one_line_that_names_the_package(
    exported: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(exported))
    assert main(["share", "export"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "apt install nfs-kernel-server" in line


def test_what_the_nfs_server_refuses_is_one_line(
    tmp_path: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_program(tmp_path, "exportfs", "echo 'exportfs: Failed to resolve worker01.local' >&2; exit 1")
    assert main(["share", "export"]) == 2
    assert "Failed to resolve worker01.local" in capsys.readouterr().err


SOURCE = f"10.0.0.12:{SHARE}"


class Mounting:
    """Stand-ins for mount, findmnt and systemd. ``table`` is what is mounted, ``answers`` the outcome of attempts."""

    def __init__(self, folder: Path, answers: list[str]) -> None:
        self.table, self.calls, self.waits_s = folder / "table", folder / "calls", list[float]()
        self._answers, self._answer = iter(answers), folder / "answer"
        a_program(folder, "findmnt", f"cat {self.table} 2>/dev/null")
        a_program(folder, "mount.nfs4", "exit 1")
        a_program(
            folder, "mount",
            f'echo "$*" >> {self.calls}; if [ -s {self._answer} ]; then cat {self._answer} >&2; exit 32; fi; '
            f'eval echo "\\${{$(($# - 1))}}" > {self.table}',
        )  # fmt: skip
        a_program(folder, "systemd-run", 'while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"')
        a_program(
            folder, "systemctl", f'[ ! -e {folder}/busy ] && rm {self.table} || {{ echo "$2: busy" >&2; exit 1; }}'
        )
        self._next()

    def pause(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self._next()

    def _next(self) -> None:
        self._answer.write_text(next(self._answers, ""))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is searched for programs first."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_a_missing_share_is_logged_once_and_retried_with_backoff(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # The server is off, then it is on and has not exported the folder yet: mount itself would give up there.
    refused, missing = "mount.nfs4: Connection refused", "mount.nfs4: mounting failed, reason given: No such file"
    mounting = Mounting(path, [refused, refused, missing, missing, missing, missing])
    mount_when_there(SOURCE, mounting.pause)
    assert mounting.table.read_text() == f"{SOURCE}\n"
    assert mounting.waits_s == [2, 4, 8, 16, 32, 60]
    assert [record.getMessage() for record in caplog.records[:1]] == [
        f"{SOURCE} is down: {refused}. Retrying until it is back."
    ]
    assert [record.getMessage().split(" after")[0] for record in caplog.records[1:]] == [f"{SOURCE} is back"]


def test_it_is_mounted_softly_and_without_programs(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mounting = Mounting(path, [])
    mount_when_there(SOURCE, mounting.pause)
    [call] = mounting.calls.read_text().splitlines()
    assert call.startswith("-t nfs4 -o soft,")
    assert call.endswith(f" {SOURCE} {SHARE}")
    assert {"nosuid", "nodev", "noexec", "retry=0"} <= set(call.split()[3].split(","))
    assert caplog.records == []


def test_what_is_mounted_already_is_left(path: Path) -> None:
    mounting = Mounting(path, [])
    mounting.table.write_text(f"{SOURCE}\n")
    mount_when_there(SOURCE, mounting.pause)
    assert not mounting.calls.exists()


def test_another_masters_share_that_is_in_use_is_waited_for(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mounting = Mounting(path, [])
    mounting.table.write_text(f"10.0.0.13:{SHARE}\n")

    def pause(_seconds: float) -> None:
        mounting.table.unlink()

    mount_when_there(SOURCE, pause)
    assert f"10.0.0.13:{SHARE} is still mounted" in caplog.text
    assert mounting.table.read_text() == f"{SOURCE}\n"


def test_a_missing_nfs_client_names_the_package(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mounting = Mounting(path, [])
    monkeypatch.setattr("sensorpi.common.share.command._HELPER", "mount.nfs4-that-nobody-has")

    def install(_seconds: float) -> None:
        monkeypatch.setattr("sensorpi.common.share.command._HELPER", "mount.nfs4")

    mount_when_there(SOURCE, install)
    assert "apt install nfs-common" in caplog.text
    assert mounting.table.exists()


def test_a_share_in_use_stays_mounted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mounting = Mounting(path, [])
    mounting.table.write_text(f"{SOURCE}\n")
    (path / "busy").touch()
    unit = subprocess.run(
        ["systemd-escape", "--path", "--suffix=mount", SHARE], capture_output=True, text=True
    ).stdout.strip()
    assert main(["share", "unmount"]) == 0
    assert capsys.readouterr().out == f"{SOURCE} stays mounted: {unit}: busy\n"
    (path / "busy").unlink()
    assert main(["share", "unmount"]) == 0
    assert not mounting.table.exists()
    assert main(["share", "unmount"]) == 0


def test_mounting_without_a_share_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SENSORPI_SHARE", raising=False)
    assert main(["share", "mount"]) == 2
    assert "SENSORPI_SHARE" in capsys.readouterr().err


def checkpoint_on(config: Path, node: str, text: str) -> Path:
    """The checkpoint's folder on a node of the cluster that the text describes."""
    (config / "cluster.toml").write_text(text)
    (config / "node").write_text(node)
    return checkpoint_folder(NodeContext(config), Path("/state"))


def test_the_master_keeps_the_checkpoint_on_its_own_share(tmp_path: Path) -> None:
    assert checkpoint_on(tmp_path, "master02", ON_SHARE) == SHARE / "job"


def test_others_use_the_share_only_while_it_is_mounted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert checkpoint_on(tmp_path, "worker01", ON_SHARE) == Path("/state/checkpoint")
    assert "not mounted" in caplog.text


def test_a_local_checkpoint_is_beside_the_state(tmp_path: Path) -> None:
    assert checkpoint_on(tmp_path, "master02", example_text()) == Path("/state/checkpoint")

"""The checkpoint share in containers, whose kernel may not have NFS: without it, and with a bind mount in its place."""

import pytest

from sensorpi.common.cluster.model import example_text
from sensorpi.common.share.checkpoint import EXPORT_UNIT, MOUNT_UNIT, SHARE
from tests.packages.conftest import NewMachine
from tests.packages.machine import Machine, wait_for

pytestmark = pytest.mark.timeout(900)

NFS = example_text().replace("[spark]", '[spark]\ncheckpoint = "nfs"')
#: It answers that only worker03 is still exported to.
EXPORTFS = f"""\
#!/bin/sh
if [ "$1" = -s ]; then echo "{SHARE} 10.0.0.23(rw)"; else echo "$*" >> /var/lib/nfs/calls; fi
"""
#: A container's kernel may not have NFS, so these take the place of its helper: one fails, one mounts a local folder.
REFUSING = "#!/bin/sh\necho 'mount.nfs4: Connection refused' >&2\nexit 32\n"
MOUNTING = '#!/bin/sh\nexec mount --bind /srv/share "$2"\n'


def a_node(new_machine: NewMachine, name: str, role: str) -> Machine:
    machine = new_machine("bookworm")
    etc = machine.root / "etc/sensorpi"
    etc.mkdir()
    (etc / "cluster.toml").write_text(NFS)
    (etc / "node").write_text(name)
    (etc / "cluster.key").write_bytes(bytes(range(32)))
    (etc / "cluster.key").chmod(0o640)
    machine.install(f"sensorpi-{role}")
    return machine


def status_of_mount(machine: Machine) -> str:
    """The line of `sensorpi status` about the mount."""
    lines = machine.try_("sensorpi", "status").stdout.splitlines()
    return "".join(line for line in lines if "checkpoint-mount" in line)


def is_mounted(machine: Machine) -> bool:
    return machine.try_("mountpoint", "-q", str(SHARE)).returncode == 0


def test_a_master_without_an_nfs_server_reports_it_and_runs(new_machine: NewMachine) -> None:
    machine = a_node(new_machine, "master02", "mesos-master")
    wait_for("the refusal", lambda: machine.state(EXPORT_UNIT) == "failed")
    assert "apt install nfs-kernel-server" in machine.journal(EXPORT_UNIT)
    assert machine.state("sensorpi-mesos-master.target") == "active"
    assert machine.do("stat", "-c", "%a %U:%G", str(SHARE)).strip() == "750 sensorpi-job:sensorpi-job"
    status = machine.try_("sensorpi", "status").stdout
    assert "sensorpi-checkpoint-export: failed" in status
    # An NFS server that is installed later is found.
    (machine.root / "usr/sbin/exportfs").write_text(EXPORTFS)
    machine.do("chmod", "755", "/usr/sbin/exportfs")
    machine.do("mkdir", "-p", "/var/lib/nfs")
    machine.do("systemctl", "start", EXPORT_UNIT)
    user, group = machine.do("id", "-u", "sensorpi-job").strip(), machine.do("id", "-g", "sensorpi-job").strip()
    calls = machine.do("cat", "/var/lib/nfs/calls").splitlines()
    assert [call.split()[-1] for call in calls] == [f"10.0.0.2{number}:{SHARE}" for number in (1, 2, 3)]
    assert f"anonuid={user},anongid={group} " in calls[0]
    # Nothing stays exported after the checkpoint becomes local.
    (machine.root / "etc/sensorpi/cluster.toml").write_text(example_text())
    machine.do("sensorpi", "config", "apply")
    wait_for("the end of the export", lambda: machine.state(EXPORT_UNIT) == "inactive")
    assert machine.do("cat", "/var/lib/nfs/calls").splitlines()[-1] == f"-u 10.0.0.23:{SHARE}"


def test_a_purge_leaves_another_masters_mounted_share(new_machine: NewMachine) -> None:
    machine = a_node(new_machine, "master02", "mesos-master")
    machine.do("mkdir", "-p", "/srv/share/job")
    machine.do("mount", "--bind", "/srv/share", str(SHARE))
    machine.do("apt-get", "-y", "purge", "sensorpi-mesos-master")
    assert machine.do("ls", "/srv/share") == "job\n"


def install_helper(machine: Machine, script: str) -> None:
    helper = machine.root / "usr/sbin/mount.nfs4"
    helper.write_text(script)
    helper.chmod(0o755)


def test_a_worker_mounts_the_share_and_runs_without_it(new_machine: NewMachine) -> None:
    machine = a_node(new_machine, "worker01", "mesos-worker")
    assert machine.state("sensorpi-mesos-worker.target") == "active"
    wait_for("a status line", lambda: "waiting for" in status_of_mount(machine))
    assert f"active: waiting for 10.0.0.12:{SHARE}: apt install nfs-common" in status_of_mount(machine)
    install_helper(machine, REFUSING)
    machine.reboot()
    # Neither the broker nor a login waits for it.
    wait_for("the broker's start", lambda: machine.state("sensorpi-kafka.service") == "activating")
    machine.wait_active("systemd-user-sessions.service")
    wait_for("mount's message", lambda: f"{SHARE}: mount.nfs4: Connection refused" in status_of_mount(machine))
    assert not is_mounted(machine)
    machine.do("mkdir", "-p", "/srv/share/job")
    install_helper(machine, MOUNTING)
    wait_for("the mount", lambda: is_mounted(machine))
    wait_for("the end of the program", lambda: main_pid(machine) == "0")
    assert machine.do("ls", str(SHARE)) == "job\n"
    assert machine.state(MOUNT_UNIT) == "active"
    machine.do("systemctl", "stop", "sensorpi-mesos-worker.target")
    wait_for("the unmount", lambda: machine.state(MOUNT_UNIT) == "inactive")
    assert not is_mounted(machine)
    assert machine.failed() == ""


def main_pid(machine: Machine) -> str:
    return machine.do("systemctl", "show", "--value", "-p", "MainPID", MOUNT_UNIT).strip()


def test_a_share_in_use_stays_mounted(new_machine: NewMachine) -> None:
    machine = a_node(new_machine, "worker01", "mesos-worker")
    install_helper(machine, MOUNTING)
    machine.do("mkdir", "-p", "/srv/share/job")
    wait_for("the mount", lambda: is_mounted(machine))
    machine.do("systemd-run", "--unit=user", f"--working-directory={SHARE}", "sleep", "infinity")
    wait_for("its use", lambda: machine.state("user.service") == "active")
    machine.do("systemctl", "stop", MOUNT_UNIT)
    assert is_mounted(machine)
    assert "stays mounted" in machine.journal(MOUNT_UNIT)
    machine.do("systemctl", "stop", "user.service")
    machine.do("systemctl", "start", MOUNT_UNIT)
    machine.do("systemctl", "stop", MOUNT_UNIT)
    assert not is_mounted(machine)


def test_a_checkpoint_that_becomes_local_needs_no_mount(new_machine: NewMachine) -> None:
    machine = a_node(new_machine, "worker01", "mesos-worker")
    (machine.root / "etc/sensorpi/cluster.toml").write_text(example_text())
    machine.do("sensorpi", "config", "apply")
    wait_for("the end of the mount", lambda: machine.state(MOUNT_UNIT) == "inactive")
    assert status_of_mount(machine) == ""

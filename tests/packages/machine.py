"""A Debian in a container, booted with systemd, in a network of its own, on a root that is deleted at the end."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")

#: The address of a machine that is alone in its network.
ADDRESS = "192.0.2.10"

_CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup"))
_ENVIRONMENT = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "DEBIAN_FRONTEND=noninteractive", "LANG=C.UTF-8"]
#: A machine that takes longer than this to boot or halt hangs.
_BOOT_S = 120.0


def run(*command: str | Path) -> str:
    """Run a command on the host; return its standard output."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


def wait_for(what: str, probe: Callable[[], Answer], limit_s: float = 120.0, pause_s: float = 0.5) -> Answer:
    """Call ``probe`` until it returns something true, and return that."""
    deadline = time.monotonic() + limit_s
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        time.sleep(pause_s)
    return answer


def cgroup_hierarchies() -> list[Path]:
    """Where the machines' cgroups are."""
    hybrid = [path for path in _CGROUPS[:2] if path.is_dir()]
    return hybrid or [_CGROUPS[2]]


@dataclass
class Machine:
    """One container. ``base`` is the lower layer of its root and is not changed."""

    name: str
    base: Path
    folder: Path
    repository: Path
    address: str = ADDRESS
    #: The network namespace with the bridge to other machines, or None.
    lan: str | None = None
    _nspawn: "subprocess.Popen[bytes] | None" = None
    _init: int = 0

    @property
    def root(self) -> Path:
        """Its root directory, once it is set up."""
        return self.folder / "root"

    @property
    def is_on(self) -> bool:
        """Whether it is running."""
        return self._nspawn is not None and self._nspawn.poll() is None

    def set_up(self) -> None:
        """Make its root and its network."""
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        layers = f"lowerdir={self.base},upperdir={self.folder / 'upper'},workdir={self.folder / 'work'}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, self.root)
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        run("ip", "netns", "add", self.name)
        ip = ("ip", "-n", self.name)
        run(*ip, "link", "add", "lan0", "type", "veth", "peer", "name", self.name)
        if self.lan is not None:
            run(*ip, "link", "set", self.name, "netns", self.lan)
            run("ip", "-n", self.lan, "link", "set", self.name, "master", "bridge", "up")
        else:  # the other end of its cable is not connected
            run(*ip, "link", "set", self.name, "up")
        run(*ip, "address", "add", f"{self.address}/24", "dev", "lan0")
        for link in ("lo", "lan0"):
            run(*ip, "link", "set", link, "up")

    def boot(self) -> None:
        """Start systemd in it and wait for the end of the boot."""
        self._nspawn = self._start()
        self._init = wait_for("systemd in the container", self._find_init, _BOOT_S, 0.05)
        wait_for("the boot", self._has_booted, _BOOT_S)

    def boot_once(self, *words: str) -> None:
        """Start systemd with these words on the kernel's command line, and wait until it has shut down."""
        process = self._start(*words)
        try:
            process.wait(_BOOT_S)
        finally:
            process.kill()
        assert process.returncode == 0, (self.folder / "console.log").read_text()

    def _start(self, *words: str) -> "subprocess.Popen[bytes]":
        command = [
            "systemd-nspawn", "-q", "-b", "-D", str(self.root), "-M", self.name, "--register=no", "--keep-unit",
            "--console=read-only", f"--network-namespace-path=/run/netns/{self.name}", "--resolv-conf=off",
            "--timezone=off", f"--bind-ro={self.repository}:/srv/repository", *words,
        ]  # fmt: skip
        with (self.folder / "console.log").open("ab") as log:
            # In a cgroup of its own, which several machines would share otherwise.
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self._enter)

    def console(self) -> str:
        """The output on its console."""
        return (self.folder / "console.log").read_text(errors="replace")

    def _enter(self) -> None:
        for hierarchy in cgroup_hierarchies():
            (hierarchy / self.name).mkdir(exist_ok=True)
            (hierarchy / self.name / "cgroup.procs").write_text(str(os.getpid()))

    def _find_init(self) -> int:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, (self.folder / "console.log").read_text()
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        return next((int(child) for child in children if _is_init(Path(f"/proc/{child}/status"))), 0)

    def _has_booted(self) -> bool:
        return self.try_("systemctl", "is-system-running").stdout.strip() in ("running", "degraded", "starting")

    def try_(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in it, which may fail."""
        inside = ["nsenter", "-t", str(self._init), "-a", "--wdns=/", "--", "env", "-i", *_ENVIRONMENT, *command]
        return subprocess.run(inside, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def do(self, *command: str) -> str:
        """Run a command in it, which must succeed; return its standard output."""
        result = self.try_(*command)
        assert result.returncode == 0, f"{' '.join(command)}: {result.stdout[-3000:]}{result.stderr[-3000:]}"
        return result.stdout

    def shell(self, script: str) -> str:
        """The same for a shell script."""
        return self.do("sh", "-ec", script)

    def install(self, *packages: str) -> str:
        """Install packages from the signed repository. Debian's own are in apt's cache."""
        return self.do("apt-get", "install", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *packages)

    def state(self, unit: str) -> str:
        """The state of a unit, such as ``active`` or ``failed``."""
        return self.try_("systemctl", "is-active", unit).stdout.strip()

    def status(self, unit: str) -> str:
        """The status line of a service."""
        return self.do("systemctl", "show", "--value", "-p", "StatusText", unit).strip()

    def failed(self) -> str:
        """The failed units."""
        return self.do("systemctl", "--failed", "--no-legend", "--plain").strip()

    def journal(self, unit: str) -> str:
        """The last lines in the journal of a unit."""
        return self.try_("journalctl", "-q", "--no-pager", "-o", "cat", "-n", "100", "-u", unit).stdout

    def wait_active(self, *units: str, limit_s: float = 120.0) -> None:
        """Wait until each of them is active."""
        for unit in units:
            try:
                wait_for(unit, lambda unit=unit: self.state(unit) == "active", limit_s)  # type: ignore[misc]
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.journal(unit)}") from None

    def halt(self) -> None:
        """Shut it down; kill it if it does not end."""
        if self._nspawn is None:
            return
        self.try_("systemctl", "--no-block", "poweroff")
        try:
            self._nspawn.wait(_BOOT_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """Cut its power."""
        if self._nspawn is not None and self._nspawn.poll() is None:
            # Without nspawn, its systemd would keep running.
            for pid in filter(None, (self._find_init(), self._nspawn.pid)):
                os.kill(pid, signal.SIGKILL)
            self._nspawn.wait()
        self._nspawn = None

    def reboot(self) -> None:
        """Shut it down and boot it again."""
        self.halt()
        self.boot()

    def unplug(self) -> None:
        """Disconnect its network: no address and no link, even after a reboot."""
        run("ip", "-n", self.name, "address", "flush", "dev", "lan0")
        run("ip", "-n", self.name, "link", "set", "lan0", "down")

    def plug_in(self) -> None:
        """Connect its network again."""
        run("ip", "-n", self.name, "link", "set", "lan0", "up")
        run("ip", "-n", self.name, "address", "add", f"{self.address}/24", "dev", "lan0")

    def tear_down(self) -> None:
        """Kill it, and remove its network, mounts and files."""
        try:
            self.kill()
        finally:
            subprocess.run(["ip", "netns", "delete", self.name])
            subprocess.run(["umount", "--lazy", str(self.root)])
            for hierarchy in cgroup_hierarchies():
                self._remove_cgroup(hierarchy / self.name)
            shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _remove_cgroup(top: Path) -> None:
        """Remove a cgroup once its killed processes have ended."""

        def removed() -> bool:
            try:
                for folder, _, _ in os.walk(top, topdown=False):
                    Path(folder).rmdir()
            except OSError:
                return False
            return True

        wait_for(f"the end of all in {top}", removed, 30.0)


def _is_init(status: Path) -> bool:
    """Whether that process is systemd with pid 1 in its namespace. At first, nspawn has other children, too."""
    try:
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    except FileNotFoundError:
        return False
    return lines["Name"].strip() == "systemd" and lines["NSpid"].split()[-1] == "1"

"""The root file system of one node: the base, with the node's roles installed in an overlay."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from images.base import CACHE, FILES
from images.filesystems import FIRMWARE_LABEL, ROOT_LABEL
from images.order import Order
from images.process import environment, run
from images.tree import discard, remove_traces
from sensorpi.common.cluster.model import FILE_NAME
from sensorpi.common.errors import UserError
from sensorpi.common.files import render

_KEYRING = "/usr/share/keyrings/sensorpi.gpg"
_LIST = "etc/apt/sources.list.d/sensorpi.list"
#: Where our repository is mounted while the roles are installed from it.
_MOUNTED = "srv/sensorpi"

_ENABLED = (
    "systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service",
    # Of sensorpi-common, which other machines have as well.
    "card-grow.service", "card-setup.service", "card-ssh-keys.service",
)  # fmt: skip
#: Timers that would write to the card, and the wpa_supplicant that D-Bus starts: each Wi-Fi device has one of its own.
_MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "wpa_supplicant.service",
)  # fmt: skip

_FIRMWARE_OPTIONS = "noatime,umask=0077,errors=remount-ro,nofail,x-systemd.device-timeout=180s"
#: noatime: reading does not write. nofail: a node works without its boot partition.
_FSTAB = f"""\
LABEL={ROOT_LABEL}   /               ext4  noatime,errors=remount-ro  0 1
LABEL={FIRMWARE_LABEL}  /boot/firmware  vfat  {_FIRMWARE_OPTIONS}  0 2
"""


@contextmanager
def role_root(order: Order, base: Path, repository: Path, epoch: int) -> Iterator[Path]:
    """The folder of the finished root, which exists within the context. ``base`` is not changed."""
    work = CACHE / f"work-{order.name}"
    discard(work)
    for name in ("upper", "work", "root"):
        (work / name).mkdir(parents=True)
    root, env = work / "root", environment(epoch)
    layers = f"lowerdir={base},upperdir={work / 'upper'},workdir={work / 'work'}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        _mount(stack, root, env, "-t", "overlay", "overlay", "-o", layers)
        _install(order, root, repository, env)
        _configure(order, root, env)
        remove_traces(root)
        yield root


def _mount(stack: ExitStack, target: Path, env: dict[str, str], *arguments: str | Path) -> None:
    run("mount", *arguments, target, env=env)
    stack.callback(run, "umount", "--lazy", target, env=env)


def _install(order: Order, root: Path, repository: Path, env: dict[str, str]) -> None:
    """Install the node's packages, with the build host's name resolution."""
    run("cp", "-rT", "--no-dereference", FILES / "card", root, env=env)
    for role in order.node.roles:
        if (files := FILES / role).is_dir():
            run("cp", "-rT", "--no-dereference", files, root, env=env)
    policy, mounted, listed = root / "usr/sbin/policy-rc.d", root / _MOUNTED, root / _LIST
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    mounted.mkdir()
    shutil.copyfile(repository / "sensorpi.gpg", root / _KEYRING.lstrip("/"))
    listed.write_text(f"deb [signed-by={_KEYRING}] file:/{_MOUNTED} {order.suite} main\n")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    shutil.copyfile("/etc/resolv.conf", resolver)
    with ExitStack() as stack:
        _mount(stack, mounted, env, "--bind", "-o", "ro", repository)
        _mount(stack, root / "proc", env, "-t", "proc", "proc")
        _mount(stack, root / "run", env, "-t", "tmpfs", "tmpfs")
        run("chroot", root, "apt-get", "-q", "update", env=env)
        run(
            "chroot", root, "apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0",
            "-o", "Dpkg::Options::=--force-unsafe-io", "-o", "Dpkg::Options::=--force-confold", "install",
            *order.packages, env=env,
        )  # fmt: skip
        run("chroot", root, "apt-get", "-q", "clean", env=env)
        run("chroot", root, "systemctl", "--quiet", "enable", *_ENABLED, env=env)
        run("chroot", root, "systemctl", "--quiet", "mask", *_MASKED, env=env)
    mounted.rmdir()
    policy.unlink()
    resolver.unlink()
    resolver.symlink_to("../run/systemd/resolve/stub-resolv.conf")
    if audit := run("chroot", root, "dpkg", "--audit", env=env):
        raise UserError(f"dpkg --audit reports problems in the image:\n{audit}")


def _configure(order: Order, root: Path, env: dict[str, str]) -> None:
    """Write the files of this node, and those that only an image has."""
    (root / "etc/hostname").write_text(f"{order.node.name}\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
    (root / "etc/fstab").write_text(_FSTAB)
    line = f"deb [signed-by={_KEYRING}] {order.url or 'http://SERVER'} {order.suite} main\n"
    (root / _LIST).write_text(line if order.url else f"# Updates of sensorpi come from where you serve them:\n# {line}")
    # Used if sensorpi.toml on the boot partition is broken before it has ever been applied.
    render({FILE_NAME: order.cluster_text, "node": f"{order.node.name}\n"}, root / "etc/sensorpi", mode=0o644)
    run("chroot", root, "passwd", "--quiet", "--lock", "root", env=env)

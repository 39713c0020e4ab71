"""Debian with a kernel and the boards' firmware, built once for each suite and architecture and shared by all roles."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from images.binfmt import enable
from images.order import Order
from images.process import environment, run
from images.tree import clamp_times, discard

FILES = Path(__file__).parent / "files"
CACHE = Path(__file__).parents[1] / ".cache/images"

#: The one of amd64 is for a test, because only that one has i2c-stub.
_KERNELS = {"arm64": "linux-image-arm64", "armel": "linux-image-rpi", "amd64": "linux-image-amd64"}

#: What a card without keyboard and screen needs; each role adds its own packages.
_PACKAGES = (
    "ca-certificates", "dbus", "dosfstools", "e2fsprogs", "fdisk", "firmware-brcm80211", "init", "initramfs-tools",
    "iproute2", "iputils-ping", "iw", "kmod", "less", "libnss-myhostname", "libnss-resolve", "libpam-systemd", "nano",
    "netbase", "openssh-server", "procps", "python3", "raspi-firmware", "sudo", "systemd-resolved", "systemd-sysv",
    "systemd-timesyncd", "tzdata", "udev", "wireless-regdb", "wpasupplicant", "zstd",
)  # fmt: skip
_COMPONENTS = "main,non-free-firmware"

#: Before the packages: files that the scripts of kernel and firmware read, and a folder that OpenJDK's package needs.
_ESSENTIAL_HOOK = 'cp -rT "{files}" "$1" && mkdir -p "$1/boot/firmware" "$1/usr/share/man/man1"'


@contextmanager
def locked() -> Iterator[None]:
    """One build at a time in this checkout."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def base_root(order: Order, epoch: int) -> Path:
    """The folder of the base, which is built if there is none. Its name has a hash of what it is built from."""
    packages = sorted((*_PACKAGES, _KERNELS[order.architecture]))
    root = CACHE / f"{order.suite}-{order.architecture}-{_fingerprint(order, packages, epoch)}"
    if root.is_dir():
        return root
    enable(order.architecture)
    print(f"building the base of {order.suite} for {order.architecture}; all roles share it", flush=True)
    partial = root.with_suffix(".partial")
    discard(partial)
    hook = _ESSENTIAL_HOOK.format(files=FILES / "base")
    run(
        "mmdebstrap", "--mode=root", "--variant=apt", f"--architectures={order.architecture}",
        f"--components={_COMPONENTS}", "--dpkgopt=force-confold", "--dpkgopt=force-unsafe-io",
        f"--include={','.join(packages)}", f"--essential-hook={hook}", order.suite, partial, *sources(order),
        env=environment(epoch),
    )  # fmt: skip
    clamp_times(partial, epoch)
    partial.rename(root)
    return root


def sources(order: Order) -> list[str]:
    """The lines of apt's sources for MIRROR; empty without a mirror, and mmdebstrap then uses Debian's own servers."""
    if order.mirror is None:
        return []
    mirror, components = order.mirror.rstrip("/"), _COMPONENTS.replace(",", " ")
    places = ((mirror, ""), (mirror, "-updates"), (f"{mirror}-security", "-security"))
    return [f"deb {uri} {order.suite}{suffix} {components}" for uri, suffix in places]


def _fingerprint(order: Order, packages: list[str], epoch: int) -> str:
    digest = hashlib.sha256(repr((order.mirror, packages, epoch, _ESSENTIAL_HOOK)).encode())
    for path in sorted(path for path in (FILES / "base").rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(FILES)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]

"""From an order to an image file: root file system, boot partition, partition table, and the list of its packages."""

import shutil
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from images.base import CACHE, base_root, locked
from images.filesystems import make_ext4, make_fat, make_sparse
from images.layout import Layout, layout
from images.order import Order
from images.process import environment, run
from images.role_root import role_root
from images.tree import clamp_times, measure


def build(order: Order, repository: Path, folder: Path, epoch: int) -> Path:
    """Build the uncompressed image in ``folder``, with the list of its packages beside it; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / f"{order.name}.img"
    identifier = uuid5(NAMESPACE_URL, f"sensorpi:{order.name}:{epoch}")
    with locked():
        base = base_root(order, epoch)
        print(f"building {image.name}", flush=True)
        with role_root(order, base, repository, epoch) as root:
            packages = run(
                "chroot", root, "dpkg-query", "-W", "-f", "${binary:Package} ${Version}\\n", env=environment(epoch)
            )
            firmware = CACHE / "firmware"
            _take_firmware(root, firmware, order)
            for tree in (root, firmware):
                clamp_times(tree, epoch)
            _assemble(image, root, firmware, identifier, epoch)
            shutil.rmtree(firmware)
    image.with_suffix(".manifest").write_text(packages)
    return image


def _take_firmware(root: Path, firmware: Path, order: Order) -> None:
    """Move the contents of /boot/firmware to a folder of their own, and add the files that identify the card."""
    shutil.rmtree(firmware, ignore_errors=True)
    shutil.copytree(root / "boot/firmware", firmware)
    firmware.chmod(0o700)  # the boot files can hold a password
    for path in (root / "boot/firmware").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, content in order.boot_files.items():
        (firmware / name).write_bytes(content)


def _assemble(image: Path, root: Path, firmware: Path, identifier: UUID, epoch: int) -> None:
    place = layout(*measure(root))
    env = environment(epoch)
    partial = image.with_suffix(".partial")
    make_sparse(partial, place.card_bytes)
    run("sfdisk", "--quiet", partial, env=env, text=place.sfdisk_script(identifier.fields[0]))
    fat, ext4 = CACHE / "firmware.fat", CACHE / "root.ext4"
    make_fat(fat, place.firmware.size, firmware, identifier.fields[0], epoch)
    make_ext4(ext4, place.root.size, root, identifier, epoch)
    _insert(partial, place, fat, ext4, env)
    partial.rename(image)


def _insert(image: Path, place: Layout, fat: Path, ext4: Path, env: dict[str, str]) -> None:
    for file, partition in ((fat, place.firmware), (ext4, place.root)):
        offset = f"seek={partition.start}"
        run("dd", f"if={file}", f"of={image}", "bs=1M", offset, "oflag=seek_bytes", "conv=notrunc,sparse", env=env)
        file.unlink()

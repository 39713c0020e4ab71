"""`sensorpi card`: prepares the boot partition of a freshly flashed Raspberry Pi OS card."""

import argparse
from pathlib import Path

from sensorpi.common.card import options as given
from sensorpi.common.card.boot_files import recognise
from sensorpi.common.card.first_boot import Settings, install_script
from sensorpi.common.card.plan import OWNED, Member, card_files, member
from sensorpi.common.card.writing import Content, is_replaced, leftovers, write
from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.addresses import with_prefix
from sensorpi.common.cluster.model import FILE_NAME, config_directory
from sensorpi.common.errors import UserError


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `card`."""
    card = commands.add_parser(
        "card",
        help="prepare a flashed card",
        description="Prepares the boot partition of a freshly flashed Raspberry Pi OS card (bookworm or trixie), so "
        "that its first boot makes the Pi a node of the cluster. Nothing is formatted, and replaced files are kept.",
    )
    card.add_argument("path", type=Path, metavar="PATH", help="where the card's boot partition is mounted")
    card.add_argument("--node", required=True, metavar="NAME", help="the node that the card is for")
    card.add_argument(
        "--cluster",
        type=Path,
        default=config_directory() / FILE_NAME,
        metavar="FILE",
        help=f"the cluster's file, with {secrets.FILE_NAME} beside it (default: %(default)s)",
    )
    given.add_options(card)
    card.add_argument("--show", action="store_true", help="only show what would be written")
    card.set_defaults(run=_card)


def _card(options: argparse.Namespace) -> ExitCode:
    try:
        return _prepare(options)
    except OSError as error:  # a card that was pulled out, or that this user may not read
        raise UserError(f"{error.filename or options.path}: {error.strerror}") from None


def _prepare(options: argparse.Namespace) -> ExitCode:
    first_boot = recognise(options.path)
    joining = member(options.cluster, options.node)
    repository = given.repository(options.repository, options.key, options.debs)
    settings = Settings(
        host_name=joining.node.name,
        address=with_prefix(joining.node.address),
        user=given.user(options.user),
        ssh_keys=given.ssh_keys(options.ssh_key, options.no_login),
        wifi=given.wifi(options.wifi, options.passphrase, options.country),
        timezone=given.timezone(options.timezone),
        install_script=install_script(joining.packages, repository[0] if repository else None),
    )
    files = card_files(options.path, first_boot, joining, settings, repository, options.debs)
    removed = leftovers(options.path, OWNED, files)
    print(f"{options.path}: reads {first_boot.value}")
    for line in _summary(joining, settings):
        print(line)
    for name, content in files.items():
        print(f"  {name}{_note(options.path, name, content)}")
    for name in removed:
        print(f"  {name}: is removed; an earlier preparation wrote it")
    if options.show:
        _show(files, settings)
        return ExitCode.OK
    write(options.path, files, removed)
    print(f"ready: unmount the card, put it into the Pi that will be {joining.node.name}, and switch that on")
    return ExitCode.OK


def _summary(joining: Member, settings: Settings) -> list[str]:
    keys = len(settings.ssh_keys)
    login = f"{settings.user}, by {'SSH key' if keys == 1 else f'{keys} SSH keys'}" if keys else "disabled"
    wifi = f"{settings.wifi.ssid!r}, {settings.wifi.country}" if settings.wifi else "none"
    return [
        f"  node {joining.node.name}: {', '.join(joining.node.roles)}",
        f"  address {settings.address} in addition to DHCP" if settings.address else "  address by DHCP",
        f"  login {login}; Wi-Fi {wifi}; time zone {settings.timezone or 'unchanged'}",
    ]


def _note(partition: Path, name: str, content: Content) -> str:
    if is_replaced(partition, name, content):
        return f"  (the present file is kept as {name}.before-sensorpi)"
    return "  (the cluster's secret; the first boot moves it away)" if name == secrets.FILE_NAME else ""


def _show(files: dict[str, Content], settings: Settings) -> None:
    """Print the texts, without secrets."""
    for name, content in files.items():
        if isinstance(content, bytes) and not name.endswith((".key", ".gpg", "Packages")):
            text = content.decode()
            if settings.wifi is not None and settings.wifi.key is not None:
                text = text.replace(settings.wifi.key, "(the Wi-Fi network's key)")
            print(f"\n--- {name}\n{text.rstrip()}")

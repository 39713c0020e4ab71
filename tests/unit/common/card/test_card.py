"""`sensorpi card` prepares a flashed card, keeps what it replaces, and does not reveal a secret."""

import json
import os
import re
import shutil
import subprocess
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.card import boot_files, writing
from sensorpi.common.cli import main as command
from sensorpi.common.cli.main import main
from sensorpi.common.cluster.model import example_text
from tests.fakes import cards
from tests.unit.common.card.test_values import ECDSA, RSA, SK_ED25519

SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEIP0du7ZPjP2e9c1uB7ajnjLEYY4iJNCvEv5XQhKxD7 a pupil's laptop"
KEY = bytes(range(32))
[COMMAND] = [entry.value for entry in entry_points(group=command.GROUP) if entry.name == "card"]
#: IEEE 802.11i, annex H.4.
SSID, PASSPHRASE = "ThisIsASSID", "ThisIsAPassword"
WIFI_KEY = "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"


class Desk:
    """A laptop with the files of a cluster, the key of a repository, and a card."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = folder / "cluster.toml"
        self.cluster.write_text(example_text())
        (folder / "cluster.key").write_bytes(KEY)
        (folder / "cluster.key").chmod(0o640)
        (folder / "sensorpi.gpg").write_bytes(b"\x98public")
        (folder / "id.pub").write_text("\ufeff" + SSH_KEY + "\r\n")
        (folder / "passphrase").write_text("\ufeff" + PASSPHRASE + "\r\n")
        self.card = folder / "bootfs"

    @property
    def repository(self) -> list[str]:
        return ["--repository", "http://10.0.0.5/sensorpi", "--key", str(self.folder / "sensorpi.gpg")]

    @property
    def wifi(self) -> list[str]:
        return ["--wifi", SSID, "--passphrase", str(self.folder / "passphrase"), "--country", "DE"]

    def run(self, node: str, *options: str) -> int:
        arguments = ["card", str(self.card), "--node", node, "--cluster", str(self.cluster)]
        return main([*arguments, "--ssh-key", str(self.folder / "id.pub"), *options])

    def prepare(self, node: str, *options: str) -> dict[str, bytes]:
        assert self.run(node, *self.repository, *options) == 0
        return cards.contents(self.card)

    def document(self, name: str) -> dict[str, object]:
        """A file of cloud-init, which is JSON after comments."""
        parsed: dict[str, object] = json.loads(re.sub(r"(?m)\A(#.*\n)+", "", (self.card / name).read_text()))
        return parsed


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # Loading the other commands would take most of the time.
    monkeypatch.setattr(command, "entry_points", lambda group: [EntryPoint("card", COMMAND, group)])
    return Desk(tmp_path)


@pytest.fixture(params=[cards.bookworm, cards.trixie], ids=["bookworm", "trixie"])
def either(request: pytest.FixtureRequest, desk: Desk) -> Desk:
    request.param(desk.card)
    return desk


def test_the_card_gets_the_cluster_file_and_its_nodes_name(either: Desk) -> None:
    either.cluster.write_bytes(b"\xef\xbb\xbf" + example_text().replace("\n", "\r\n").encode())  # by Notepad
    text = either.prepare("worker02")["sensorpi.toml"].decode()
    assert text == f'node = "worker02"\n\n{example_text()}'


def test_a_trixie_card_gets_what_cloud_init_reads(desk: Desk) -> None:
    cards.trixie(desk.card)
    desk.prepare("sensor01", "--timezone", "Europe/Berlin", "--user", "ada", *desk.wifi)
    user_data = desk.document("user-data")
    assert (desk.card / "user-data").read_text().startswith("#cloud-config\n")
    assert user_data["hostname"] == "sensor01"
    assert user_data["timezone"] == "Europe/Berlin"
    assert user_data["ssh_pwauth"] is False
    user = user_data["user"]
    assert isinstance(user, dict)
    assert (user["name"], user["lock_passwd"], user["ssh_authorized_keys"]) == ("ada", True, [SSH_KEY])
    network = desk.document("network-config")["network"]
    assert isinstance(network, dict)
    wlan = network["wifis"]["wlan0"]
    assert (wlan["regulatory-domain"], wlan["access-points"]) == ("DE", {SSID: {"hidden": True, "password": WIFI_KEY}})
    instance = desk.document("meta-data")["instance-id"]
    assert (desk.card / "cmdline.txt").read_text().endswith(f" resize ds=nocloud;i={instance}\n")


def test_a_bookworm_card_gets_a_script_and_runs_it(desk: Desk) -> None:
    cards.bookworm(desk.card)
    files = desk.prepare("sensor01", *desk.wifi)
    before = f"{cards.FRESH} "
    after = "systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot "
    assert f"{before}{after}systemd.unit=kernel-command-line.target\n" in files["cmdline.txt"].decode()
    assert "user-data" not in files
    assert "\nhidden=true\n" in files["firstrun.sh"].decode()


@pytest.mark.parametrize("wifi", [True, False])
def test_the_link_that_is_used_has_the_nodes_own_address(desk: Desk, wifi: bool) -> None:
    cards.trixie(desk.card)
    desk.prepare("worker02", *(desk.wifi if wifi else []))
    network = desk.document("network-config")["network"]
    assert isinstance(network, dict)
    links = network["ethernets"] | network.get("wifis", {})
    assert {name: link.get("addresses") for name, link in links.items()} == (
        {"eth0": None, "wlan0": ["10.0.0.22/24"]} if wifi else {"eth0": ["10.0.0.22/24"]}
    )


@pytest.mark.parametrize(
    ("address", "line", "absent"),
    [
        ("10.0.0.22", "[ipv4]\nmethod=auto\naddress1=10.0.0.22/24\n", "type=wifi"),
        ("fd00::22", "[ipv6]\nmethod=auto\naddress1=fd00::22/64\n", "10.0.0.22"),
    ],
)
def test_a_bookworm_node_has_its_own_address(desk: Desk, address: str, line: str, absent: str) -> None:
    cards.bookworm(desk.card)
    desk.cluster.write_text(example_text().replace("10.0.0.22", address))
    script = desk.prepare("worker02")["firstrun.sh"].decode()
    assert line in script
    assert script.count("address1=") == 1
    assert absent not in script


def test_a_node_whose_address_is_a_name_uses_dhcp(desk: Desk) -> None:
    before = cards.contents(cards.trixie(desk.card))
    desk.cluster.write_text(example_text().replace("10.0.0.99", "sensor01.local"))
    assert desk.prepare("sensor01")["network-config"] == before["network-config"]


@pytest.mark.parametrize(
    ("node", "gets_key"), [("sensor01", False), ("worker01", True), ("master01", True), ("master02", True)]
)
def test_only_a_node_that_needs_the_key_gets_it(either: Desk, node: str, gets_key: bool) -> None:
    files = either.prepare(node)
    assert (files.get("cluster.key") == KEY) == gets_key
    if not gets_key:
        assert not any(KEY in content for content in files.values())


def test_a_card_that_becomes_a_sensors_loses_the_key(either: Desk) -> None:
    either.prepare("worker01")
    assert "cluster.key" not in either.prepare("sensor01")


def test_what_a_killed_preparation_began_to_write_is_erased(either: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    (either.card / "cluster.key.sensorpi-new").write_bytes(bytes(range(32)))
    (either.card / "blocks").hardlink_to(either.card / "cluster.key.sensorpi-new")
    assert "cluster.key.sensorpi-new" not in either.prepare("sensor01")
    assert "cluster.key.sensorpi-new: is removed" in capsys.readouterr().out
    assert (either.card / "blocks").read_bytes() == bytes(32)


def test_a_sensors_card_needs_no_key_on_the_desk(either: Desk) -> None:
    (either.folder / "cluster.key").unlink()
    either.prepare("sensor01")


def test_the_packages_are_those_of_the_nodes_roles(either: Desk) -> None:
    either.cluster.write_text(example_text().replace('["mesos-master"]', '["mesos-master", "sensor"]'))
    either.prepare("master02")
    script = b"".join(cards.contents(either.card).values()).decode(errors="replace")
    assert "set -- sensorpi-mesos-master sensorpi-sensor" in script


def test_no_secret_is_readable_by_all_or_printed(either: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    files = either.prepare("worker01", *either.wifi)
    assert either.run("worker01", *either.repository, *either.wifi, "--show") == 0
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert PASSPHRASE not in text
        assert WIFI_KEY not in text
        assert KEY.hex() not in text
    del files["cluster.key"]
    everything = b"\n".join(files.values())
    assert PASSPHRASE.encode() not in everything
    assert KEY not in everything
    with_wifi_key = {name for name, content in files.items() if WIFI_KEY.encode() in content}
    assert with_wifi_key <= {"network-config", "firstrun.sh"}


def test_show_prints_the_files_and_writes_nothing(either: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    before = cards.contents(either.card)
    assert either.run("worker01", *either.repository, *either.wifi, "--show") == 0
    assert cards.contents(either.card) == before
    printed = capsys.readouterr().out
    assert "--- sensorpi.toml" in printed
    assert "node worker01: mesos-worker" in printed
    assert "login pi, by SSH key; Wi-Fi 'ThisIsASSID', DE" in printed
    assert "(the Wi-Fi network's key)" in printed


def test_doing_it_twice_changes_nothing(either: Desk) -> None:
    first = either.prepare("worker01", *either.wifi)
    times = {path: path.stat().st_mtime_ns for path in either.card.rglob("*")}
    assert either.prepare("worker01", *either.wifi) == first
    assert {path: path.stat().st_mtime_ns for path in either.card.rglob("*")} == times


def test_what_is_replaced_is_kept_once_and_comes_back(desk: Desk) -> None:
    before = cards.contents(cards.trixie(desk.card))
    files = desk.prepare("worker01", *desk.wifi)
    for name in ("user-data", "network-config", "meta-data", "cmdline.txt"):
        assert files[f"{name}.before-sensorpi"] == before[name]
    desk.cluster.write_text(example_text().replace("10.0.0.22", "worker02.local"))
    files = desk.prepare("worker02")  # without Wi-Fi now
    assert files["network-config"] == before["network-config"]
    assert files["cmdline.txt.before-sensorpi"] == before["cmdline.txt"]
    assert not any(name.endswith("2") for name in files)


def test_another_tools_script_is_kept(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    cards.bookworm(desk.card)
    (desk.card / "firstrun.sh").write_text("#!/bin/sh\n# of Raspberry Pi Imager\n")
    line = (desk.card / "cmdline.txt").read_text().strip()
    (desk.card / "cmdline.txt").write_text(f"{line} systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot\n")
    files = desk.prepare("worker01")
    assert b"Imager" in files["firstrun.sh.before-sensorpi"]
    assert files["cmdline.txt"].count(b"systemd.run=") == 1
    assert "firstrun.sh  (the present file is kept as firstrun.sh.before-sensorpi)" in capsys.readouterr().out


def test_other_cards_files_stay_as_they_are(either: Desk) -> None:
    before = cards.contents(either.card)
    after = either.prepare("worker01", *either.wifi)
    ours = {"cmdline.txt", "user-data", "network-config", "meta-data"}
    assert {name: after[name] for name in before if name not in ours} == {
        name: content for name, content in before.items() if name not in ours
    }


def test_a_write_that_fails_leaves_the_old_file_and_no_other(either: Desk, mocker: MockerFixture) -> None:
    before = cards.contents(either.card)
    mocker.patch.object(os, "fsync", side_effect=OSError(5, "Input/output error"))
    assert either.run("sensor01", *either.repository) == 2
    assert cards.contents(either.card) == before


def test_the_kernels_command_line_is_written_last(either: Desk, mocker: MockerFixture) -> None:
    replace = mocker.spy(Path, "replace")
    either.prepare("worker01")
    _path, target = replace.call_args.args
    assert Path(target).name == "cmdline.txt"


def deb(folder: Path, name: str, depends: str = "", version: str = "1") -> Path:
    tree = folder / f"tree-{name}"
    (tree / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: d\n"
    (tree / "DEBIAN/control").write_text(control + (f"Depends: {depends}\n" if depends else ""))
    file = folder / "debs" / f"{name}_{version.replace(':', '%3a')}_all.deb"
    file.parent.mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--build", "-Znone", tree, file], check=True, capture_output=True)
    return file


def test_the_debs_that_a_node_needs_come_along_as_a_repository(either: Desk) -> None:
    deb(either.folder, "sensorpi-sensor", "python3-kafka (>= 3) | other, sensorpi-common (= 1), python3:any")
    deb(either.folder, "sensorpi-common")
    deb(either.folder, "python3-kafka", version="1:3.0")
    deb(either.folder, "sensorpi-spark")
    assert either.run("sensor01", "--debs", str(either.folder / "debs")) == 0
    folder = either.card / "sensorpi/debs"
    names = ["Packages", "python3-kafka_1_3.0_all.deb", "sensorpi-common_1_all.deb", "sensorpi-sensor_1_all.deb"]
    assert sorted(path.name for path in folder.iterdir()) == names
    index = (folder / "Packages").read_text()
    assert index.count("Package: ") == 3
    for file in folder.glob("*.deb"):
        assert f"Filename: ./{file.name}\nSize: {file.stat().st_size}\n" in index
    either.prepare("sensor01")
    assert not list(folder.iterdir())


def test_a_lack_of_space_is_reported_before_any_writing(
    either: Desk, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    before = cards.contents(either.card)
    mocker.patch.object(shutil, "disk_usage", return_value=mocker.Mock(free=1000, total=500_000_000))
    assert either.run("worker01", *either.repository) == 2
    assert "MB are needed, 0.0 MB are free" in capsys.readouterr().err
    assert cards.contents(either.card) == before


def refused(desk: Desk, capsys: pytest.CaptureFixture[str], node: str, *options: str) -> str:
    """The line that is reported, without its prefix. Nothing is written."""
    before = cards.contents(desk.card)
    assert desk.run(node, *options) == 2
    assert cards.contents(desk.card) == before
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1
    return printed.err.removeprefix("sensorpi: ").strip()


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (lambda card: (card / "config.txt").unlink(), "not the boot partition of a card (often called bootfs)"),
        (lambda card: (card / "cmdline.txt").unlink(), "it has no cmdline.txt"),
        (lambda card: (card / "cmdline.txt").write_text("a\nb\n"), "expected one line of text"),
        (lambda card: (card / "cmdline.txt").write_text("ü\n"), "expected one line of text"),
        (lambda card: (card / "cmdline.txt").write_text("quiet\n"), "has already booted"),
        (lambda card: (card / "config.txt").write_text("\n"), "bullseye or older"),
    ],
)
def test_a_folder_that_is_no_fresh_cards_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str], breaks: object, message: str
) -> None:
    cards.bookworm(desk.card)
    assert callable(breaks)
    breaks(desk.card)
    assert message in refused(desk, capsys, "sensor01", *desk.repository)


@pytest.mark.parametrize("name", ["sensorpi", "sensorpi/debs/x.deb", "cluster.key"])
def test_a_link_is_refused_and_what_it_leads_to_stays(either: Desk, name: str) -> None:
    elsewhere = either.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("precious")
    link = either.card / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere if name == "sensorpi" else elsewhere / "file")
    before = cards.contents(either.card)
    assert either.run("sensor01", *either.repository) == 2
    assert (elsewhere / "file").read_text() == "precious"
    assert cards.contents(either.card) == before


def test_other_systems_cards_are_refused(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    cards.bookworm(desk.card)
    (desk.card / "cmdline.txt").write_text("quiet\n")
    (desk.card / "issue.txt").unlink()
    assert "not a known release" in refused(desk, capsys, "sensor01", *desk.repository)


def test_the_first_trixie_images_are_refused(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    cards.trixie(desk.card, "2025-10-01")
    assert "does not read its user-data" in refused(desk, capsys, "sensor01", *desk.repository)


def test_a_missing_folder_is_refused(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such folder" in refused(desk, capsys, "sensor01", *desk.repository)


def test_this_machines_own_boot_partition_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cards.trixie(desk.card)
    monkeypatch.setattr(boot_files, "PARTITIONS", (desk.card.resolve(),))
    assert "this machine's own boot partition" in refused(desk, capsys, "sensor01", *desk.repository)


def test_a_read_only_card_is_one_line(either: Desk, capsys: pytest.CaptureFixture[str], mocker: MockerFixture) -> None:
    error = OSError(30, "Read-only file system", str(either.card / "sensorpi"))
    mocker.patch.object(writing, "_replace", side_effect=error)
    message = refused(either, capsys, "sensor01", *either.repository)
    assert message == f"{either.card}/sensorpi: cannot be written: Read-only file system"


def test_a_card_that_cannot_be_read_is_one_line(
    desk: Desk, capsys: pytest.CaptureFixture[str], mocker: MockerFixture
) -> None:
    mocker.patch.object(Path, "is_dir", side_effect=PermissionError(13, "Permission denied", str(desk.card)))
    assert desk.run("sensor01", *desk.repository) == 2
    assert capsys.readouterr().err == f"sensorpi: {desk.card}: Permission denied\n"


@pytest.mark.parametrize(
    ("node", "options", "message"),
    [
        ("sensor1", "{repository}", 'no node "sensor1" in the cluster; did you mean "sensor01"?'),
        ("sensor01", "", "the source of the packages is missing"),
        ("sensor01", "--repository http://a", "the source of the packages is missing"),
        ("sensor01", "--debs {folder} {repository}", "give only one of them"),
        ("sensor01", "--debs {folder}/none", "no such folder"),
        ("sensor01", "--debs {folder}", "no .deb in it"),
        ("sensor01", "--repository ftp://a --key {folder}/sensorpi.gpg", "expected a URL"),
        ("sensor01", "--repository http://u:p@a --key {folder}/sensorpi.gpg", "without a password"),
        ("sensor01", "--repository http://a;b --key {folder}/sensorpi.gpg", "expected a URL"),
        ("sensor01", "--repository http://a --key {folder}/none", "No such file or directory"),
        ("sensor01", "--repository http://a --key {folder}/id.pub", "not a public OpenPGP key"),
        ("sensor01", "--user root {repository}", "the system has a user"),
        ("sensor01", "--user sensorpi {repository}", "the system has a user"),
        ("sensor01", "--user Ada {repository}", "expected a user name"),
        ("sensor01", "--user a;b {repository}", "expected a user name"),
        ("sensor01", "--timezone Europe/Berlni {repository}", "did you mean Europe/Berlin?"),
        ("sensor01", "--timezone x {repository}", "expected one such as Europe/Berlin"),
        ("sensor01", "--ssh-key {folder}/none {repository}", "No such file or directory"),
        ("sensor01", "--ssh-key {folder}/passphrase {repository}", "passphrase: expected a public SSH key"),
        ("sensor01", "--ssh-key {folder}/private {repository}", "must not be on a card"),
        ("sensor01", "--ssh-key {folder}/torn {repository}", "torn: not a public SSH key: it is cut off"),
        ("sensor01", "--ssh-key {folder}/empty {repository}", "there is no key"),
        ("sensor01", "--country DE {repository}", "--country needs --wifi SSID as well"),
        ("sensor01", "--passphrase - {repository}", "--passphrase needs --wifi SSID as well"),
        ("sensor01", "--wifi a --passphrase {folder}/passphrase {repository}", "needs --country"),
        ("sensor01", "--wifi a --passphrase {folder}/passphrase --country Germany {repository}", "did you mean DE?"),
        ("sensor01", "--wifi a --passphrase {folder}/passphrase --country UK {repository}", "did you mean GB?"),
        ("sensor01", "--no-login {repository}", "--ssh-key and --no-login: give only one of them"),
        ("sensor01", "--wifi a --passphrase {folder}/none --country DE {repository}", "No such file or directory"),
        ("sensor01", "--wifi a --passphrase {folder}/short --country DE {repository}", "8 to 63 characters"),
        ("sensor01", "--wifi a --country DE {repository}", "--wifi needs --passphrase FILE"),
        ("sensor01", "--wifi 123456789012345678901234567890123 --country DE {repository}", "32 bytes"),
    ],
)
def test_a_mistake_in_the_options_is_one_line(
    desk: Desk, capsys: pytest.CaptureFixture[str], node: str, options: str, message: str
) -> None:
    cards.trixie(desk.card)
    (desk.folder / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n")
    (desk.folder / "torn").write_text(SSH_KEY[:40] + "\n")
    (desk.folder / "short").write_text("1234567\n")
    (desk.folder / "empty").write_text("# none\n")
    filled = options.format(folder=desk.folder, repository=" ".join(desk.repository))
    text = refused(desk, capsys, node, *filled.split())
    assert message in text
    assert "secret" not in text
    assert "1234567\n" not in text


def test_a_mistake_in_the_cluster_file_is_one_line(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    cards.trixie(desk.card)
    desk.cluster.write_text("engine = 1\n" + example_text())
    assert "engine = 1" in refused(desk, capsys, "sensor01", *desk.repository)


def test_a_missing_key_is_one_line(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    cards.trixie(desk.card)
    (desk.folder / "cluster.key").unlink()
    assert "cluster.key is missing" in refused(desk, capsys, "worker01", *desk.repository)


class Home:
    """`sensorpi card` without --ssh-key, with these public keys in ~/.ssh."""

    def __init__(self, desk: Desk, **keys: str) -> None:
        self.desk = desk
        ssh = desk.folder / "home/.ssh"
        ssh.mkdir(parents=True)
        for name, key in keys.items():
            (ssh / f"{name}.pub").write_text(f"{key}\n")

    def run(self, *options: str) -> int:
        desk = self.desk
        words = ["card", str(desk.card), "--node", "sensor01", "--cluster", str(desk.cluster), *desk.repository]
        return main([*words, *options])


def test_a_card_without_a_login_is_refused(either: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    before = cards.contents(either.card)
    assert Home(either).run() == 2
    assert capsys.readouterr().err.startswith("sensorpi: nobody could log in, because ~/.ssh has no public key")
    assert cards.contents(either.card) == before


def test_a_card_without_a_login_can_be_asked_for(either: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert Home(either, id_rsa=SSH_KEY).run("--no-login") == 0
    assert "login disabled" in capsys.readouterr().out
    written = b"".join(cards.contents(either.card).values())
    assert b"ssh.service" not in written
    assert b"enable_ssh" not in written
    assert SSH_KEY.encode() not in written


@pytest.mark.parametrize("name", ["id_ed25519_sk", "id_ecdsa_sk", "id_rsa", "id_ecdsa", "id_ed25519"])
def test_an_own_key_of_each_kind_is_found(either: Desk, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert Home(either, **{name: SK_ED25519}).run() == 0
    assert "login pi, by SSH key;" in capsys.readouterr().out
    assert SK_ED25519.encode() in b"".join(cards.contents(either.card).values())


def test_several_keys_can_log_in(either: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(either, id_ed25519=SSH_KEY, id_ed25519_sk=SK_ED25519)
    assert home.run() == 0
    assert "login pi, by 2 SSH keys;" in capsys.readouterr().out
    files = {name: str(either.folder / name) for name in ("a.pub", "b.pub")}
    Path(files["a.pub"]).write_text(f"# both\n{RSA} a\n{ECDSA} b\n")
    Path(files["b.pub"]).write_bytes(SSH_KEY.encode("utf-16"))  # by PowerShell
    assert home.run("--ssh-key", files["a.pub"], "--ssh-key", files["b.pub"]) == 0
    written = b"".join(cards.contents(either.card).values()).decode(errors="replace")
    assert all(key.split()[1] in written for key in (RSA, ECDSA, SSH_KEY))
    assert SK_ED25519 not in written


def test_a_wrong_own_key_is_named(either: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert Home(either, id_rsa=SSH_KEY, id_ecdsa=SSH_KEY[:50]).run() == 2
    assert "/.ssh/id_ecdsa.pub: not a public SSH key: it is cut off" in capsys.readouterr().err

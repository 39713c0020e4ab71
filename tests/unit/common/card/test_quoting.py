"""Names of networks and SSH keys reach the first boot unchanged, whatever characters they contain."""

import json
import subprocess
from configparser import ConfigParser
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sensorpi.common.card import cloud_init, first_run, network_manager
from sensorpi.common.card.first_boot import Repository, Settings, install_script
from sensorpi.common.card.wifi import Wifi, pre_shared_key

#: Without surrogates, because half of a surrogate pair is not text.
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
PRINTABLE = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40)


def yaml_load(text: bytes | str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)  # as strict as the other, and ten times as fast


def settings(wifi: Wifi | None = None, ssh_key: str = "ssh-ed25519 AAAA") -> Settings:
    script = install_script(["sensorpi-sensor"], Repository("http://a/b", "sensorpi.gpg"))
    return Settings("sensor01", "10.0.0.99/24", "pi", (ssh_key,), wifi, "Europe/Berlin", script)


@pytest.mark.parametrize(
    ("passphrase", "ssid", "key"),
    [  # IEEE 802.11i, annex H.4.3
        ("password", "IEEE", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"),
        ("ThisIsAPassword", "ThisIsASSID", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"),
        ("a" * 32, "Z" * 32, "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62"),
    ],
)
def test_the_key_of_a_passphrase_is_the_standards(passphrase: str, ssid: str, key: str) -> None:
    assert pre_shared_key(passphrase, ssid) == key
    assert pre_shared_key(key.upper(), ssid) == key


@given(TEXT)
@example('Käthe\'s "Café" \\ $(reboot) `reboot` 😀')
@example("a: b # c")
@example("\u2028\u0085\ufffe\x7f")
@example("; [wifi]=")
@example(" leading and trailing ")
@example("yes")
@example("line\nbreak")
def test_a_networks_name_arrives(ssid: str) -> None:
    wifi = Wifi(ssid, None, "DE")
    written = cloud_init.files(settings(wifi))["network-config"].decode()
    [name] = yaml_load(written)["network"]["wifis"]["wlan0"]["access-points"]
    assert name == ssid
    profile = ConfigParser(interpolation=None, delimiters="=", comment_prefixes="#")
    profile.read_string(network_manager.profiles(settings(wifi))["sensorpi.nmconnection"])
    assert bytes(map(int, filter(None, profile["wifi"]["ssid"].split(";")))).decode() == ssid
    assert profile["wifi"]["hidden"] == "true"


@hypothesis_settings(max_examples=20)  # a shell is started for each
@given(PRINTABLE)
@example('it\'s "$HOME" \\ `x` !! #')
def test_the_comment_of_an_ssh_key_arrives(comment: str) -> None:
    key = f"ssh-ed25519 AAAA {comment}"
    user_data = yaml_load(cloud_init.files(settings(ssh_key=key))["user-data"])
    assert user_data["user"]["ssh_authorized_keys"] == [key]
    assert user_data == json.loads(json.dumps(user_data))  # all of it is plain data
    [line] = [line for line in first_run.script(settings(ssh_key=key)).decode().split("\n") if "enable_ssh" in line]
    call = "custom() { printf '%s\\0' \"$@\"; }\n" + line.replace(
        "/usr/lib/raspberrypi-sys-mods/imager_custom", "custom"
    )
    printed = subprocess.run(["sh", "-c", call], capture_output=True, check=True).stdout
    assert printed.decode().split("\0")[:-1] == ["enable_ssh", "-k", key]


def test_yaml_reads_the_scripts_as_they_are() -> None:
    made = settings()
    user_data = yaml_load(cloud_init.files(made)["user-data"])
    assert user_data["write_files"][0]["content"] == made.install_script
    assert made.install_script in first_run.script(made).decode()


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    for script in (settings().install_script, first_run.script(settings()).decode()):
        result = subprocess.run(["shellcheck", "-s", "sh", "-"], input=script, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


def test_each_set_of_settings_is_an_instance_of_its_own() -> None:
    wifi = Wifi("a", None, "DE")
    assert cloud_init.kernel_words(settings(wifi)) == cloud_init.kernel_words(settings(wifi))
    assert cloud_init.kernel_words(settings(wifi)) != cloud_init.kernel_words(settings())
    [word] = cloud_init.kernel_words(settings(wifi))
    metadata = yaml_load(cloud_init.files(settings(wifi))["meta-data"])
    assert word == f"ds=nocloud;i={metadata['instance-id']}"

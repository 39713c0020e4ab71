"""`[card]` in sensorpi.toml is separated from the cluster file, checked, and converted for Debian's programs."""

import tomllib

import pytest

from sensorpi.common.card.file import put_together, take_apart
from sensorpi.common.card.table import CardSettings, card_settings
from sensorpi.common.card.wifi import Wifi, supplicant_file
from sensorpi.common.cluster.model import example_text, parse
from sensorpi.common.cluster.schema import CARD_KEYS
from sensorpi.common.errors import UserError

CARD = '[card]  # this one\nwifi = "Küche"\nwifi_password = "geheimes Wort"\ncountry = "DE"\n'
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEIP0du7ZPjP2e9c1uB7ajnjLEYY4iJNCvEv5XQhKxD7 me"


def test_the_other_lines_keep_their_numbers_without_the_table() -> None:
    text = f'node = "a"\n{CARD}[nodes.a]\naddress = "[card]"\n'
    file = take_apart(text, "f")
    assert file.cluster_text.splitlines() == ["", "", "", "", "", "[nodes.a]", 'address = "[card]"']
    assert (file.node, file.card_text) == ("a", CARD)


def test_a_table_at_the_end_is_cut_out() -> None:
    assert take_apart(f"[nodes.a]\n{CARD}", "f").cluster_text.strip() == "[nodes.a]"


def test_without_the_table_nothing_changes_and_nothing_is_set() -> None:
    text = "[nodes.a]\n#[card]\n"
    assert take_apart(text, "f").cluster_text == text
    assert card_settings(text, "f") == CardSettings()


@pytest.mark.parametrize(
    "layout",
    [
        'node = "worker02"\n  [card]\n  user = "pi"\n\tssh_key = "{key}"\n{cluster}',
        'card.user = "pi"\nnode = "worker02"\n"card".ssh_key = "{key}"\n{cluster}',
        'node = "worker02"\ncard = {{ user = "pi", ssh_key = "{key}" }} # [card]\n{cluster}',
        '"node" = \'worker02\'\n[ "card" ] # [nodes]\nuser = """\npi"""\nssh_key = [\n  "{key}", # me\n]\n{cluster}',
        " node=\"worker02\"\n{cluster}[card]\nssh_key='''{key}\n'''\nuser=\"pi\"",
    ],
)
def test_any_layout_of_toml_is_the_same(layout: str) -> None:
    text = layout.format(key=KEY, cluster=example_text())
    file = take_apart(text, "f")
    assert file.node == "worker02"
    assert card_settings(text, "f") == CardSettings("pi", (KEY,))
    assert tomllib.loads(file.cluster_text) == tomllib.loads(example_text())
    assert file.cluster_text.count("\n") == text.count("\n")
    again = put_together("worker03", file.card_text, file.cluster_text)
    assert tomllib.loads(again) == {**tomllib.loads(text), "node": "worker03"}


def test_a_setting_before_the_first_table_stays_out_of_card() -> None:
    text = put_together("a", '[card]\nuser = "pi"\n', '# of\nengine = "mesos"\n\n# nodes\n[nodes.a]\n')
    assert tomllib.loads(text) == {"node": "a", "engine": "mesos", "card": {"user": "pi"}, "nodes": {"a": {}}}
    assert text.index("# nodes") > text.index("[card]")


def test_the_supplicants_file_has_only_the_derived_key() -> None:
    # IEEE 802.11-2016, J.4.2, test case 1
    wifi = card_settings("card = { wifi = 'IEEE', wifi_password = 'password', country = 'DE' }", "f").wifi
    assert wifi is not None
    text = supplicant_file(wifi)
    assert "psk=f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e" in text
    assert "ssid=49454545" in text
    assert "scan_ssid=1" in text
    assert "country=DE\n" in text
    assert '"' not in text
    assert "password" not in text


def test_a_key_is_taken_as_it_is_and_an_open_network_has_none() -> None:
    key = "0a" * 32
    settings = card_settings(f"card = {{ wifi = 'n', wifi_password = '{key}', country = 'DE' }}", "f")
    assert settings.wifi == Wifi("n", key, "DE")
    assert "key_mgmt=NONE" in supplicant_file(Wifi("n", None, "DE"))


@pytest.mark.parametrize(
    ("table", "mistake"),
    [
        ("wify = 'n'", 'card.wify: unknown key; did you mean "wifi"?'),
        ("wifi_pasword = 'geheimes Wort'", 'card.wifi_pasword: unknown key; did you mean "wifi_password"?'),
        (f"user = {'9' * 5000}", "not TOML"),
        ("wifi = 'n'", 'card.wifi = "n": expected country as well'),
        ("wifi = ''\ncountry = 'DE'", 'card.wifi = "": expected a network\'s name of 1 to 32 bytes'),
        ("wifi = 'n'\ncountry = 'UK'", 'card.country = "UK": no such country in ISO 3166; did you mean GB?'),
        ("country = 'DE'", "expected wifi as well"),
        ("wifi_password = 'geheimes Wort'", "card.wifi_password: expected wifi as well"),
        ("wifi = 'n'\ncountry = 'DE'\nwifi_password = 'geheim'", "card.wifi_password: expected 8 to 63 characters"),
        (f"ssh_key = '{KEY}'", "expected user as well"),
        ("user = 'pi'\nssh_key = 'AAAA'", "expected a public SSH key"),
        (f"user = 'pi'\nssh_key = '{KEY[:60]}'", "card.ssh_key: not a public SSH key: it is cut off"),
        ("user = 'pi'", 'card.user = "pi": expected ssh_key as well, because there are no passwords'),
        ("user = 'root'", "the system has a user"),
        ("user = 'Root User'", "expected a user name"),
        ("timezone = 'Europe/Bonn'", "no such time zone"),
        ("timezone = '../../etc/passwd'", "no such time zone"),
        ("user = 5", "expected a user name"),
        ("user = ", "not TOML"),
    ],
)
def test_a_mistake_is_one_line(table: str, mistake: str) -> None:
    with pytest.raises(UserError) as error:
        card_settings(f"[card]\n{table}\n[nodes.a]\n", "sensorpi.toml")
    assert str(error.value).startswith("sensorpi.toml: ")
    assert mistake in str(error.value)
    assert "\n" not in str(error.value)
    assert "geheim" not in str(error.value)


def test_a_mistake_in_toml_names_the_line_of_the_whole_file() -> None:
    with pytest.raises(UserError, match="line 4"):
        card_settings("node = 'a'\n\n[card]\nuser = \n[nodes.a]\n", "f")


def test_a_card_that_is_not_a_table_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"^f: card: expected a table$"):
        card_settings("card = 5\n", "f")


@pytest.mark.parametrize("name", [*CARD_KEYS, "wifi_pasword", "WLAN_PSK"])
@pytest.mark.parametrize("table", ["", "[kafka]\n", "[nodes.a]\n"])
def test_a_key_outside_the_table_is_reported_without_secrets(name: str, table: str) -> None:
    with pytest.raises(UserError) as error:
        parse(f"{table}{name} = 'geheimes Wort'\n", "sensorpi.toml")
    if name in CARD_KEYS:
        assert "expected in the table [card]" in str(error.value)
    else:
        assert "unknown key" in str(error.value)
    assert ("geheim" in str(error.value)) <= (name in ("user", "wifi", "country", "timezone"))

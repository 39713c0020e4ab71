"""`[card]` in sensorpi.toml is separated from the cluster file, checked, and converted for Debian's programs."""

from dataclasses import fields

import pytest

from sensorpi.common.card.table import CardSettings, card_settings, card_table, without_card
from sensorpi.common.cluster.model import parse
from sensorpi.common.cluster.schema import CARD_KEYS
from sensorpi.common.errors import UserError

CARD = '[card]  # this one\nwifi = "Küche"\nwifi_password = "geheimes Wort"\ncountry = "DE"\n'


def test_the_other_lines_keep_their_numbers_without_the_table() -> None:
    text = f'node = "a"\n{CARD}[nodes.a]\naddress = "[card]"\n'
    assert without_card(text).splitlines() == ['node = "a"', "", "", "", "", "[nodes.a]", 'address = "[card]"']
    assert card_table(text) == CARD


def test_a_table_at_the_end_is_cut_out() -> None:
    assert without_card(f"[nodes.a]\n{CARD}").strip() == "[nodes.a]"


def test_without_the_table_nothing_changes_and_nothing_is_set() -> None:
    text = "[nodes.a]\n#[card]\n"
    assert without_card(text) == text
    assert card_settings(text, "f") == CardSettings()


def test_the_supplicants_file_has_only_the_derived_key() -> None:
    # IEEE 802.11-2016, J.4.2, test case 1
    settings = CardSettings(wifi="IEEE", wifi_password="password", country="DE")
    assert "psk=f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e" in settings.wpa_supplicant
    assert "ssid=49454545" in settings.wpa_supplicant
    assert "country=DE\n" in settings.wpa_supplicant
    assert '"' not in settings.wpa_supplicant
    assert "password" not in settings.wpa_supplicant


def test_a_key_is_taken_as_it_is_and_an_open_network_has_none() -> None:
    assert f"psk={'0a' * 32}\n" in CardSettings(wifi="n", wifi_password="0a" * 32, country="DE").wpa_supplicant
    assert "key_mgmt=NONE" in CardSettings(wifi="n", country="DE").wpa_supplicant


@pytest.mark.parametrize(
    ("table", "mistake"),
    [
        ("wify = 'n'", 'card.wify: unknown key; did you mean "wifi"?'),
        ("wifi_pasword = 'geheimes Wort'", 'card.wifi_pasword: unknown key; did you mean "wifi_password"?'),
        (f"user = {'9' * 5000}", "not TOML"),
        ("wifi = 'n'", 'card.wifi = "n": expected country as well'),
        ("wifi = ''\ncountry = 'DE'", 'card.wifi = "": expected a network\'s name of 1 to 32 bytes'),
        ("wifi = 'n'\ncountry = 'Germany'", "expected two capital letters"),
        ("wifi = 'n'\ncountry = 'DE'\nwifi_password = 'geheim'", "card.wifi_password: expected 8 to 63 characters"),
        ("ssh_key = 'ssh-ed25519 AAAA'", "expected user as well"),
        ("user = 'pi'\nssh_key = 'AAAA'", "expected a public key"),
        ("user = 'Root User'", "expected a user name"),
        ("timezone = 'Europe/Bonn'", "expected a time zone"),
        ("timezone = '../../etc/passwd'", "expected a time zone"),
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


@pytest.mark.parametrize("name", [*(key.name for key in fields(CardSettings)), "wifi_pasword", "WLAN_PSK"])
@pytest.mark.parametrize("table", ["", "[kafka]\n", "[nodes.a]\n"])
def test_a_key_outside_the_table_is_reported_without_secrets(name: str, table: str) -> None:
    with pytest.raises(UserError) as error:
        parse(f"{table}{name} = 'geheimes Wort'\n", "sensorpi.toml")
    if name in CARD_KEYS:
        assert "expected in the table [card]" in str(error.value)
    else:
        assert "unknown key" in str(error.value)
    assert ("geheim" in str(error.value)) <= (name in ("user", "wifi", "country", "timezone"))

"""The rules for the values of a card, and that the command, `[card]` and `config check` all use them."""

import base64
import re
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from voluptuous import Invalid

from sensorpi.common.card import values
from sensorpi.common.card.ssh_key import ssh_keys
from sensorpi.common.cluster.schema import CARD_KEYS

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEIP0du7ZPjP2e9c1uB7ajnjLEYY4iJNCvEv5XQhKxD7"


def encoded(kind: str, *parts: bytes, outer: str | None = None) -> str:
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (kind.encode(), *parts))
    return f"{outer or kind} {base64.b64encode(blob).decode()}"


POINT = b"\x04" + bytes(64)
SK_ED25519 = encoded("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:")
SK_ECDSA = encoded("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", POINT, b"ssh:")
RSA = encoded("ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 256)
ECDSA = encoded("ecdsa-sha2-nistp256", b"nistp256", POINT)


def reason(rule: str, value: object) -> str:
    with pytest.raises(Invalid) as refused:
        values.RULES[rule](value)
    assert "\n" not in refused.value.msg
    return str(refused.value.msg)


def test_there_is_a_rule_for_every_key() -> None:
    assert tuple(values.RULES) == CARD_KEYS


@pytest.mark.parametrize("name", ["pi", "ada", "a", "ada_l-2", "a" * 32, "listener", "rooted"])
def test_a_person_can_log_in(name: str) -> None:
    assert values.user(name) == name


@pytest.mark.parametrize(
    "name", ["root", "www-data", "sshd", "sudo", "gpio", "kafka", "sensorpi", "sensorpi-x", "systemd-x"]
)
def test_a_system_user_cannot_log_in(name: str) -> None:
    assert "the system has" in reason("user", name)


@pytest.mark.parametrize("name", ["", "Ada", "2a", "_apt", "a b", "a;b", "ä", "a" * 33, "a\n", 5, None])
def test_other_names_are_no_users(name: object) -> None:
    assert "expected a user name" in reason("user", name)


@given(st.text(st.characters(), max_size=40))
@example("カフェ　一号")  # with an ideographic space
@example("Ada’s iPhone")
@example("living\u00a0room")
@example("\ud83d")  # half of a pair
@example("é" * 16)
@example("é" * 16 + "e")
def test_a_networks_name_has_1_to_32_bytes(name: str) -> None:
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in name):
        reason("wifi", name)
    elif 1 <= len(name.encode()) <= 32:
        assert values.ssid(name) == name
    else:
        assert f"this one has {len(name.encode())}" in reason("wifi", name)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=63))
def test_a_passphrase_is_printable_ascii(phrase: str) -> None:
    assert values.passphrase(phrase) == phrase


@given(st.text(st.characters(), max_size=80))
@example("")
@example("é" * 8)
@example("1234567")
@example("x" * 64)
@example("password1\n")
@example("\u00a0password1")
def test_other_passphrases_are_refused_and_not_printed(phrase: str) -> None:
    if phrase.isascii() and phrase.isprintable() and 8 <= len(phrase) <= 63:
        assert values.passphrase(phrase) == phrase
    elif not re.fullmatch("[0-9a-fA-F]{64}", phrase):
        line = reason("wifi_password", phrase)
        assert len(phrase) < 8 or phrase not in line


def test_a_key_of_64_hexadecimal_digits_is_taken() -> None:
    assert values.passphrase("0aB1" * 16) == "0aB1" * 16


@pytest.mark.parametrize("code", ["DE", "GB", "JP", "US", "TW"])
def test_a_country_is_one_of_iso_3166(code: str) -> None:
    assert values.country(code) == code


@pytest.mark.parametrize(
    ("country", "expected"),
    [
        ("UK", "no such country in ISO 3166; did you mean GB?"),
        ("de", "did you mean DE?"),
        ("Germany", "did you mean DE?"),
        ("united kingdom", "did you mean GB?"),
        ("USA", "did you mean US?"),
        ("XX", "expected its two capital letters"),
        ("", "expected its two capital letters"),
        (49, "in quotes"),
    ],
)
def test_a_wrong_country_names_the_right_one(country: object, expected: str) -> None:
    assert expected in reason("country", country)


def test_without_the_list_a_country_cannot_be_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "_ZONES", tmp_path)
    assert "apt install tzdata" in reason("country", "DE")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_a_time_zone_is_one_of_the_list(zone: str) -> None:
    assert values.timezone(zone) == zone


@pytest.mark.parametrize(
    ("old", "new"), [("US/Eastern", "America/New_York"), ("Asia/Calcutta", "Asia/Kolkata"), ("Etc/UCT", "Etc/UTC")]
)
def test_an_old_zone_is_named_as_every_pi_knows_it(old: str, new: str) -> None:
    assert values.timezone(old) == new


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("zone.tab", "no such time zone"),
        ("zone1970.tab", "no such time zone"),
        ("tzdata.zi", "no such time zone"),
        ("localtime", "no such time zone"),
        ("posix/Europe/Berlin", "no such time zone"),
        ("../../etc/passwd", "no such time zone"),
        ("/usr/share/zoneinfo/Europe/Berlin", "no such time zone"),
        ("Europe", "no such time zone"),
        ("", "no such time zone"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Europe/Berlni", "did you mean Europe/Berlin?"),
        ("Berlin", "did you mean Europe/Berlin?"),
        ("new york", "did you mean America/New_York?"),
        ("Japan", "did you mean Asia/Tokyo?"),
        ("EST", "no such time zone"),
        (2, "in quotes"),
    ],
)
def test_another_file_or_word_is_no_time_zone(zone: object, expected: str) -> None:
    assert expected in reason("timezone", zone)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_of_ssh_keygen_is_taken_or_cut_off(kind: str, tmp_path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "Ada’s laptop", "-f", str(tmp_path / "id")]
    subprocess.run([*command, *(["-b", "1024"] if kind == "rsa" else [])], check=True)
    text = (tmp_path / "id.pub").read_text()
    assert ssh_keys(text) == (text.strip(),)
    with_data = len(" ".join(text.split()[:2]))
    for length in range(with_data):
        with pytest.raises(Invalid):
            ssh_keys(text[:length])
    with pytest.raises(Invalid, match="private key"):
        ssh_keys((tmp_path / "id").read_text())


@pytest.mark.parametrize("key", [ED25519, SK_ED25519, SK_ECDSA, RSA, ECDSA])
def test_each_kind_is_taken_and_cut_off_at_no_length(key: str) -> None:
    assert ssh_keys(key) == (key,)
    for length in range(len(key)):
        with pytest.raises(Invalid) as refused:
            ssh_keys(key[:length])
        assert key[12:length] not in refused.value.msg or length < 40
    blob = base64.b64decode(key.split()[1])
    for size in range(len(blob)):  # the base64 is whole, the key is not
        with pytest.raises(Invalid):
            ssh_keys(f"{key.split()[0]} {base64.b64encode(blob[:size]).decode()} me")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (encoded("ssh-rsa", b"\x03", b"\x7f" * 128, outer="ssh-ed25519"), "not of the kind"),
        (encoded("ssh-ed25519", bytes(31)), "cut off or damaged"),
        (encoded("ssh-ed25519", bytes(32), b""), "cut off or damaged"),
        (encoded("ecdsa-sha2-nistp256", b"nistp384", POINT), "cut off or damaged"),
        (encoded("ecdsa-sha2-nistp384", b"nistp384", POINT), "cut off or damaged"),
        (encoded("sk-ssh-ed25519@openssh.com", bytes(32)), "cut off or damaged"),
        (encoded("ssh-rsa", b"\x03", b"\x7f" * 64), "an RSA key of 511 bits"),
        (encoded("ssh-dss", b"p", b"q", b"g", b"y"), "a DSA key"),
        (encoded("ssh-ed25519-cert-v01@openssh.com", b"n"), "a certificate"),
        (ED25519.replace("C3Nz", "C3-z"), "expected a public SSH key"),
        (ED25519.removeprefix("ssh-ed25519 "), "expected a public SSH key"),
        (f'from="10.0.0.1" {ED25519}', "expected a public SSH key"),
        (f"{ED25519} a\x1bb", "expected a public SSH key"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n", "ssh-keygen -i"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "a private key"),
        ("", "there is no key"),
        ("# none\n\n", "there is no key"),
        ([], "there is no key"),
        (5, "expected a public SSH key"),
        ([5], "or a list"),
    ],
)
def test_another_text_is_no_key(key: object, expected: str) -> None:
    assert expected in reason("ssh_key", key)


def test_several_keys_are_a_list_or_lines() -> None:
    assert ssh_keys([f"{ED25519} a", RSA]) == (f"{ED25519} a", RSA)
    assert ssh_keys(f"# mine\r\n{ED25519}\t a b \r\n\r\n{RSA}\r\n{RSA}\r\n") == (f"{ED25519} a b", RSA)

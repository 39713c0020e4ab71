"""`[card]` in sensorpi.toml on the boot partition: user, SSH keys, Wi-Fi and time zone of one card of our own images.

It is not a part of the cluster file and never leaves its card.
"""

from dataclasses import dataclass
from typing import Any

import voluptuous as vol

from sensorpi.common.card.file import take_apart
from sensorpi.common.card.values import RULES
from sensorpi.common.card.wifi import Wifi, pre_shared_key
from sensorpi.common.cluster.schema import mistake_line
from sensorpi.common.cluster.validators import nearest
from sensorpi.common.errors import UserError


@dataclass(frozen=True)
class CardSettings:
    """The table's settings; one that is not set is empty."""

    user: str = ""
    ssh_keys: tuple[str, ...] = ()
    wifi: Wifi | None = None
    timezone: str = ""


def card_settings(text: str, source: str) -> CardSettings:
    """The settings of ``[card]`` in a card's file; ``source`` names it in messages. Raises ``UserError``."""
    table = take_apart(text, source).card
    try:
        return _settings(table)
    except vol.Invalid as mistake:
        # An unknown key may be a mistyped one whose value is the passphrase, so the value is not printed.
        unknown = mistake.path[-1] not in RULES
        key = ".".join(map(str, mistake.path))
        line = f"{key}: {mistake.msg}" if unknown else mistake_line(mistake, {"card": table})
        raise UserError(f"{source}: {line}") from None


def _settings(table: object) -> CardSettings:
    if not isinstance(table, dict):
        raise vol.Invalid("expected a table", path=["card"])
    values = {name: _checked(name, value) for name, value in table.items()}
    if "ssh_key" in values and "user" not in values:
        raise vol.Invalid("expected user as well: who logs in with the key", path=["card", "ssh_key"])
    if "user" in values and "ssh_key" not in values:
        reason = "expected ssh_key as well, because there are no passwords; leave out both if nobody is to log in"
        raise vol.Invalid(reason, path=["card", "user"])
    for name in ("wifi_password", "country"):
        if name in values and "wifi" not in values:
            raise vol.Invalid("expected wifi as well: the network's name", path=["card", name])
    wifi = None
    if "wifi" in values:
        if "country" not in values:
            reason = 'expected country as well, such as "DE": without it the radio stays off'
            raise vol.Invalid(reason, path=["card", "wifi"])
        password = values.get("wifi_password")
        key = None if password is None else pre_shared_key(password, values["wifi"])
        wifi = Wifi(values["wifi"], key, values["country"])
    return CardSettings(values.get("user", ""), values.get("ssh_key", ()), wifi, values.get("timezone", ""))


def _checked(name: str, value: object) -> Any:
    if name not in RULES:
        raise vol.Invalid(f"unknown key; {nearest(name, RULES)}", path=["card", name])
    try:
        return RULES[name](value)
    except vol.Invalid as mistake:
        mistake.prepend(["card", name])
        raise

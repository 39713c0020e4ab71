"""What a broker may be given besides the cluster's settings: only what tunes it.

With the scheduler's token, or a share of it, nobody is to have a broker load a class, open a port or start a program.
"""

import re
import shlex
from collections.abc import Iterable

from sensorpi.common.errors import UserError

#: Switches, numbers and sizes. None of them has a path, a command or a class as its value.
_JVM_OPTION = re.compile(
    r"-X(int|comp|mixed|batch|rs)"
    r"|-X(mn|ms|mx|ss)[0-9]+[kKmMgG]?"
    r"|-XX:[+-][A-Za-z0-9]+"
    r"|-XX:[A-Za-z0-9]+=[0-9]+(\.[0-9]+)?[kKmMgG]?"
    r"|-D(file\.encoding|user\.timezone|user\.language|java\.net\.preferIPv[46][A-Za-z]+)=[A-Za-z0-9/_+-]+",
)
#: The properties of Kafka that tune a broker, by the beginnings of their names.
_PROPERTY = re.compile(
    r"(auto|background|broker\.(heartbeat|session)|compression|connections\.max|controlled\.shutdown|controller\.quorum"
    r"|controller\.quota|default\.replication|delete|fetch|group|leader\.imbalance|log|max|message|min|num|offsets"
    r"|producer|queued|quota|replica|replication\.quota|request|socket|transaction|transactional|unclean)\.[a-z0-9.]+"
)
#: Names of classes, paths and addresses, which some of these have, too.
_NOT_TUNING = re.compile(r"class|assignor|dir|path|polic|selector|reporter|listener|voters|bootstrap")


def jvm_words(text: str, option: str = "--jvm-options") -> list[str]:
    """The words of ``text``, quoted as in a shell. Raises ``UserError`` naming the first that is not allowed."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"{option} {text}: {error}") from None
    for word in words:
        if not _JVM_OPTION.fullmatch(word):
            raise UserError(
                f"{option} {word}: only -Xss, -Xmn, -XX: with a switch, a number or a size, and -D of encoding, time "
                "zone and IP version are allowed"
            )
    return words


def check_properties(names: Iterable[str], broker: str) -> None:
    """Raise ``UserError`` for the first property that does more than tune the broker."""
    for name in sorted(names):
        if not _PROPERTY.fullmatch(name) or _NOT_TUNING.search(name):
            raise UserError(
                f"{broker}: {name} cannot be set: only Kafka's properties that tune a broker can, not those that name "
                "classes, files or addresses"
            )

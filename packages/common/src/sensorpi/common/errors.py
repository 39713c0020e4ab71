"""The error that a user can fix."""


class UserError(Exception):
    """Its text is one line: what is wrong, where, and what to do. The command prints it and exits with 2.

    What it quotes may contain line ends and a terminal's control sequences: they are escaped as in Python.
    """

    def __init__(self, text: str) -> None:
        super().__init__("".join(each if each.isprintable() else _escaped(each) for each in text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

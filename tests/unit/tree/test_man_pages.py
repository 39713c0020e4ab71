"""The man pages and the command line have the same sub-commands and options."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorpi.common.cli.main import parser

ROOT = Path(__file__).parents[3]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("packages/*/man/*.1")}


def commands(part: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every sub-command without sub-commands of its own."""
    below = [action for action in part._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for each in action.choices.values():
            yield from commands(each)
    if not below:
        yield part


def words(page: str) -> set[str]:
    """The words of a page, without roff's escapes and punctuation."""
    text = re.sub(r"\\f[BIRP]|\\[&|/]", "", page).replace("\\-", "-")
    return set(re.findall(r"[A-Za-z0-9-]+", text))


@pytest.mark.parametrize("command", commands(parser()), ids=lambda command: command.prog)
def test_one_page_has_the_command_and_all_its_options(command: argparse.ArgumentParser) -> None:
    options = {max(action.option_strings, key=len) for action in command._actions if action.option_strings}
    wanted = {*command.prog.split(), *options} - {"--help"}
    missing = {name: sorted(wanted - words(page)) for name, page in PAGES.items()}
    assert not min(missing.values(), key=len), missing

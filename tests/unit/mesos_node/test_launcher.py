"""The launcher, around small scripts in place of a JVM."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.launcher import launch

#: Runs the launcher as a process of its own, because it takes the signals of the process that it is in.
LAUNCHER = """
import sys
from pathlib import Path
from sensorpi.common.daemon.service import set_up_logging
from sensorpi.mesos_node.launcher import ProbeError, launch

def probe():
    try:
        return Path(sys.argv[1]).read_text()
    except OSError as error:
        raise ProbeError("no file yet") from None

set_up_logging()
sys.exit(launch("Program", ["sh", "-c", sys.argv[2]], probe, grace_s=1.0, probe_every_s=0.05))
"""


class Launched:
    """A launcher under a socket that plays systemd."""

    def __init__(self, directory: Path, script: str) -> None:
        self.answer = directory / "answer"
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.settimeout(20)
        self.systemd.bind(os.fspath(directory / "notify"))
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, self.answer, script],
            env=os.environ | {"NOTIFY_SOCKET": os.fspath(directory / "notify")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def message_with(self, line: str) -> list[str]:
        """The messages until one holds that line, that one last."""
        messages = []
        while True:
            messages.append(self.systemd.recv(4096).decode())
            if line in messages[-1].splitlines():
                return messages

    def end(self) -> tuple[int, str, str]:
        output, errors = self.process.communicate(timeout=20)
        return self.process.returncode, output, errors


@pytest.fixture
def launched(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Launched]:
    launched = Launched(tmp_path, request.param)
    yield launched
    launched.systemd.close()
    launched.process.kill()
    launched.process.communicate()


def script(text: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("launched", [text], indirect=True)


@script("exec sleep 60")
def test_ready_waits_for_a_probe_that_succeeds(launched: Launched) -> None:
    early = launched.message_with("STATUS=starting: no file yet")
    launched.answer.write_text("all is well")
    later = launched.message_with("READY=1")
    assert not any("READY=1" in message or "WATCHDOG=1" in message for message in early + later[:-1])
    assert later[-1].splitlines() == ["READY=1", "STATUS=all is well", "WATCHDOG=1"]


@script("exec sleep 60")
def test_the_watchdog_starves_while_the_probe_fails(launched: Launched) -> None:
    launched.answer.write_text("all is well")
    launched.message_with("READY=1")
    launched.answer.unlink()
    launched.message_with("STATUS=not answering: no file yet")
    assert launched.message_with("STATUS=not answering: no file yet") == ["STATUS=not answering: no file yet"]
    launched.answer.write_text("back")
    assert "READY=1" not in launched.message_with("STATUS=back")[-1]
    launched.process.terminate()
    _, _, errors = launched.end()
    assert errors.count("Program is down: no file yet") == 1
    assert errors.count("Program is back") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@script("trap 'echo stopping in order; exit 143' TERM; echo up; while :; do sleep 0.05; done")
def test_a_signal_stops_the_program_in_good_order(launched: Launched, number: int) -> None:
    assert launched.process.stdout is not None
    assert launched.process.stdout.readline() == "up\n"
    launched.process.send_signal(number)
    launched.message_with("STOPPING=1")
    status, output, errors = launched.end()
    assert (status, output) == (0, "stopping in order\n")
    assert "ended by itself" not in errors


@script("trap 'echo interrupted' INT; trap 'echo in order; exit 143' TERM; echo up; while :; do sleep 0.05; done")
def test_ctrl_c_in_a_terminal_reaches_the_launcher_only(launched: Launched) -> None:
    assert launched.process.stdout is not None
    assert launched.process.stdout.readline() == "up\n"
    os.killpg(launched.process.pid, signal.SIGINT)
    status, output, _ = launched.end()
    assert (status, output) == (0, "in order\n")


@script("trap '' TERM; echo up; while :; do sleep 0.05; done")
def test_a_program_that_does_not_stop_is_killed(launched: Launched) -> None:
    assert launched.process.stdout is not None
    assert launched.process.stdout.readline() == "up\n"
    begun = time.monotonic()
    launched.process.terminate()
    status, _, errors = launched.end()
    assert status == 128 + signal.SIGKILL
    assert time.monotonic() - begun >= 1.0
    assert "Program did not stop within 1 s and is killed" in errors


@pytest.mark.parametrize(
    ("launched", "expected", "logged"),
    [("exit 7", 7, 7), ("exit 0", 1, 0), ("kill -9 $$", 137, 137)],
    indirect=["launched"],
)
def test_an_end_that_nobody_asked_for_is_a_failure_and_one_line(launched: Launched, expected: int, logged: int) -> None:
    status, _, errors = launched.end()
    assert status == expected
    assert errors.count(f"Program ended by itself with status {logged}\n") == 1


@script("echo ${NOTIFY_SOCKET-none}; exec sleep 60")
def test_the_program_cannot_speak_to_systemd(launched: Launched) -> None:
    assert launched.process.stdout is not None
    assert launched.process.stdout.readline() == "none\n"


def test_a_program_that_cannot_be_started_is_named(mocker: MockerFixture) -> None:
    mocker.patch("sensorpi.mesos_node.launcher.stop_on_signals")  # the signals are pytest's
    mocker.patch("subprocess.Popen", side_effect=FileNotFoundError(2, "No such file or directory", "setpriv"))
    with pytest.raises(UserError, match=r"^Program cannot be started: .*'setpriv'$"):
        launch("Program", ["true"], lambda: "fine")

"""How a `sensorpi` command ends. sensorpi(1) documents these numbers; the other man pages refer to it."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of every command. One that runs another program passes on that program's status instead."""

    OK = 0
    #: It was not done or will not be, or what was looked at is not good.
    FAILED = 1
    #: The user's mistake in the configuration or the arguments, or nothing answered.
    MISTAKE = 2
    #: The job ended because a newer one was started. sensorpi-spark-job.service and those of earlier packages know
    #: this number, which keeps systemd from starting the job again.
    SUPERSEDED = 3
    #: The maximum wait is over, as with timeout(1).
    TIMED_OUT = 124
    #: Ctrl-C: 128 + SIGINT.
    INTERRUPTED = 130

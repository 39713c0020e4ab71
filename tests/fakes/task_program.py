"""A stand-in for a broker or the job as Mesos sees them: a process that listens, prints a line, and ends at SIGTERM.

Each start is recorded in FOLDER/NAME.starts, and in FOLDER/doubles when a second one of a broker ran beside the first.
Two of the job may run at a time, when the node of the first is lost.
"""

import fcntl
import os
import signal
import socket
import sys
import threading
from pathlib import Path


def main() -> None:
    """Usage: FOLDER PORT [OPTIONS as `sensorpi kafka run` has them]."""
    folder, port, *options = sys.argv[1:]
    name = f"broker-{options[options.index('--id') + 1]}" if "--id" in options else "job"
    if "--port" in options:
        port = options[options.index("--port") + 1]
    with (Path(folder) / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if name == "job" else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            with (Path(folder) / "doubles").open("a") as doubles:
                doubles.write(f"{name}\n")
            sys.exit(3)
        with (Path(folder) / f"{name}.starts").open("a") as starts:
            starts.write(f"{os.getpid()}\n")
        if name != "job":
            listening = socket.socket()
            # All hosts of a test are this machine, and Mesos's health checks connect to this address.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(("127.0.0.1", int(port)))
            listening.listen()
            # Connections that are not accepted would fill the queue, and checks would fail after some twenty minutes.
            threading.Thread(target=_take_connections, args=(listening,), daemon=True).start()
        print(f"{name} runs with {' '.join(options)}", flush=True)
        signal.sigwait({signal.SIGTERM})


def _take_connections(listening: socket.socket) -> None:
    while True:
        listening.accept()[0].close()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()

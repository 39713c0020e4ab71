"""What a broker or the job is to Mesos: a process that listens, says so, and ends at SIGTERM.

FOLDER remembers each start, in NAME.starts, and in `doubles` that a second one of a broker ran beside the first. Of the
job there may be two, where the first's node is lost.
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
            # All hosts of a test are one, and Mesos's health checks go to this address.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(("127.0.0.1", int(port)))
            listening.listen()
            # Checks that nobody takes would fill the queue, and fail after some twenty minutes.
            threading.Thread(target=_take_connections, args=(listening,), daemon=True).start()
        print(f"{name} runs with {' '.join(options)}", flush=True)
        signal.sigwait({signal.SIGTERM})


def _take_connections(listening: socket.socket) -> None:
    while True:
        listening.accept()[0].close()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()

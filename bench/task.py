"""What a broker or the job is to Mesos: a process that takes connections at its health check's port until SIGTERM.

Usage: task.py PORT [what `sensorpi` would be told]
"""

import signal
import socket
import sys
import threading


def main() -> None:
    """Listen, together with the others: all hosts are one here."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), reuse_port=True)
    threading.Thread(target=_take_connections, args=(listening,), daemon=True).start()
    signal.sigwait({signal.SIGTERM})


def _take_connections(listening: socket.socket) -> None:
    while True:
        listening.accept()[0].close()


if __name__ == "__main__":
    main()

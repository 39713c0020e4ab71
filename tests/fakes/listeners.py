"""Another program that listens on a port."""

import socket


def listener(address: str, port: int) -> socket.socket:
    """A socket that listens there; close it."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, port))
    listening.listen()
    return listening

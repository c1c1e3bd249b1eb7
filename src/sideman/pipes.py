"""Pipes between processes, whose other end may be gone at any moment."""

from multiprocessing.connection import Connection
from typing import Any


def tell(connection: Connection, message: object) -> None:
    """Send a message; it is lost if the other end is gone."""
    try:
        connection.send(message)
    except OSError:
        return


def heard(connection: Connection) -> list[Any]:
    """Return what came, also what was said last before the other end was gone."""
    received = []
    try:
        while connection.poll():
            received.append(connection.recv())
    except (EOFError, OSError):
        pass
    return received

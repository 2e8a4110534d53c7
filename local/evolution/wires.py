"""Hold or break the connection of a request, so that the caller never learns what happened."""

import socket
import struct
import time

from flask import Response, request

from local.evolution.guards import simulator

LOOK_S = 0.1
LINGER_NOT = struct.pack("ii", 1, 0)


def hang() -> Response:
    """Answer nothing until the caller hangs up, the simulator ends or `hangS` is over."""
    until = time.monotonic() + simulator().switches.hang_s
    while time.monotonic() < until and not has_hung_up():
        simulator().messages.pause(LOOK_S)
    return break_off()


def has_hung_up() -> bool:
    """Tell whether the caller is gone."""
    connection = this_connection()
    if connection is None:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def break_off() -> Response:
    """Break the connection; the answer only stands in where there is none."""
    connection = this_connection()
    if connection:
        cut(connection)
    return Response(status=502)


def this_connection() -> socket.socket | None:
    """Give the connection of this request; a test client has none."""
    return request.environ.get("werkzeug.socket")


def cut(connection: socket.socket) -> None:
    """Reset a connection."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It is gone already.
        return

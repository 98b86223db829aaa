"""The web server that runs the application, and how it stops."""

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from ernie_paddle.errors import UserError
from ernie_paddle.stopping import Stopped

KEEP_ALIVE_SECONDS = 75


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, but does not listen yet.

    Raises:
        UserError: the address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise UserError(f"--host {host} --port {port}: cannot be used: {error.strerror}") from None
    return listener


class Server(uvicorn.Server):
    """uvicorn, which calls `ready` with its address as soon as it listens and handles signals."""

    def __init__(self, config: uvicorn.Config, address: str, ready: Callable[[str], None]):
        super().__init__(config)
        self._address, self._ready = address, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as error:  # another server that was bound to the same port was faster
            raise UserError(f"{self._address}: cannot be used: {error.strerror}") from None
        self._ready(self._address)


def run_server(app: FastAPI, listener: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, and answer what was accepted before. Calls `ready` with the address.

    Raises:
        UserError: another server listens on the same port.
        Stopped: Ctrl-C came twice. What was accepted is not answered.
    """
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = Server(config, address, ready)
    try:
        server.run([listener])
    except Stopped:
        # uvicorn repeats the signal when it has finished, since others may want to hear of it.
        if server.force_exit:
            raise

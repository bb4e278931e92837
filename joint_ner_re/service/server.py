"""The process of the service: its socket, and an end that finishes what is running."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from joint_ner_re.service.app import Service

logger = logging.getLogger(__name__)

# Beside the longest time that an answer may take.
_SECONDS_TO_END = 5
_SECONDS_IDLE = 30


class ServerError(ValueError):
    """The service cannot listen where it should. The message names the address."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at an address, before the model is loaded; connections are refused until it serves.

    # Parameters

    host : `str`
        A name or an address of this machine.
    port : `int`
        0 chooses a free one.

    # Raises

    `ServerError`
        If the address does not exist here, or is taken.
    """
    if not 0 <= port < 2**16:
        raise ServerError(f"port is {port}; expected 0 to {2**16 - 1}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise ServerError(f"{host!r} is no address of this machine ({error})") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ServerError(
            f"cannot listen at port {port} of {host}: {error.strerror}; choose another with "
            "--port (0 for a free one)"
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """The address for a browser, such as `"http://127.0.0.1:8000/"`."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine can reach the socket."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


def run(service: Service, bound: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, and finish what is running then.

    # Parameters

    service : `Service`
    bound : `socket.socket`
        From `bound_socket`.
    ready : `Callable[[str], None]`
        Is called with the address as soon as the service answers.
    """
    if not is_loopback(bound):
        logger.warning(
            "%s can be reached from other machines. The service has no password and no "
            "encryption: put a proxy with both in front of it",
            address_of(bound),
        )
    config = uvicorn.Config(
        service.app,
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_SECONDS_IDLE,
        timeout_graceful_shutdown=int(service.limits.timeout) + _SECONDS_TO_END,
    )
    signals = (signal.SIGTERM, signal.SIGINT)
    # uvicorn sends itself the signal again when everything is done; then it shall do nothing.
    before = {number: signal.signal(number, lambda *_: None) for number in signals}
    try:
        _Server(config, service, ready).run(sockets=[bound])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """uvicorn's server, which tells when it is ready, and the service when it stops."""

    def __init__(
        self, config: uvicorn.Config, service: Service, ready: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        self._ready(address_of(sockets[0]))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # A request that comes by an open connection is refused from now on.
        self._service.guard.stopping = True
        super().handle_exit(sig, frame)

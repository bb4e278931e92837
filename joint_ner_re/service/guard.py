"""What every request passes before the application sees it: host, number, type, size and time.

The body is read here, completely, so that what follows needs no care for sizes. Every answer gets
the headers that keep a browser from running anything but the page's own script.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from joint_ner_re.messages import quote_json
from joint_ner_re.service.hosts import host_of
from joint_ner_re.service.limits import Limits
from joint_ner_re.service.requests import Refused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# Of a body that is too large, so much is read and dropped: many clients read the answer only when
# they have sent everything.
_MAX_DROPPED_BYTES = 2**25
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Guard:
    """Refuses requests that are for another host, too many, too large, too slow or of another type.

    # Parameters

    app : `App`
        The application.
    limits : `Limits`
    hosts : `Collection[str]`, optional (default = `None`)
        The names and addresses that a request may be for, as `allowed_hosts` returns them. Default:
        all.
    """

    def __init__(self, app: App, limits: Limits, hosts: Collection[str] | None = None) -> None:
        self._app = app
        self._limits = limits
        self._hosts = hosts
        self._in_progress = 0
        self.stopping = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        try:
            self._check_host(scope)
        except Refused as refused:
            await refuse(send, refused.status, str(refused))
            return
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self.stopping:
            await refuse(send, 503, "the service is being stopped; ask again in a minute")
            return
        if self._in_progress >= self._limits.max_waiting:
            await refuse(
                send,
                429,
                f"{self._in_progress} requests are in progress; expected at most "
                f"{self._limits.max_waiting}: ask again in a second",
            )
            return
        self._in_progress += 1
        try:
            await self._pass_on(scope, receive, send)
        finally:
            self._in_progress -= 1

    def _check_host(self, scope: MutableMapping[str, Any]) -> None:
        """Raise a `Refused` if the request is for a host that this service is not.

        A page of the web whose name suddenly leads to 127.0.0.1 (DNS rebinding) counts as the same
        site as this service, so its script could read the answers. The header Host tells: it has
        the page's name, and no script can change that. 421 is HTTP's status for a request that came
        to the wrong server (RFC 9110, 7.4), 400 that for no Host or several (RFC 9112, 3.2).
        """
        if self._hosts is None:
            return
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1:
            raise Refused(400, f"the request has {len(given)} headers Host; expected one")
        text = given[0].decode("latin-1")
        if host_of(text) not in self._hosts:
            raise Refused(
                421,
                f"the header Host is {quote_json(text)}; expected {', '.join(self._hosts)}. Start "
                "the service with --allowed-hosts if it has more names",
            )

    async def _pass_on(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._limits.timeout):
                body = await self._body(scope, receive)
        except Refused as refused:
            await refuse(send, refused.status, str(refused))
            return
        except TimeoutError:
            await refuse(
                send, 408, f"the body did not arrive within {self._limits.timeout:g} seconds"
            )
            return
        if body is None:
            return
        given = False

        async def received() -> Message:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        await self._app(scope, received, send)

    async def _body(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes | None:
        """The body; `None` if the client has gone.

        # Raises

        `Refused`
            With 413 if it is too large, with 415 if it is not declared as JSON.
        """
        kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        parts: list[bytes] = []
        size, more = 0, True
        while more and size <= _MAX_DROPPED_BYTES:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size <= self._limits.max_bytes:
                parts.append(part)
            else:
                parts.clear()
            more = message.get("more_body", False)
        if size > self._limits.max_bytes:
            raise Refused(
                413,
                f"the body has more than {self._limits.max_bytes} bytes, which is enough for "
                f"{self._limits.max_characters} characters: send several requests",
            )
        # A page of another site cannot send this type without asking, and nobody answers it.
        if kind.partition(";")[0].strip().lower() != "application/json":
            raise Refused(
                415,
                f"the body's type is {kind[:80] or '(none)'}; expected the header "
                "Content-Type: application/json",
            )
        return b"".join(parts)


async def refuse(send: Send, status: int, message: str) -> None:
    """Answer with a status and a message, in the form of every error."""
    body = json.dumps({"detail": message}, ensure_ascii=False).encode("utf-8")
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status in (429, 503):
        headers.append((b"retry-after", b"1" if status == 429 else b"60"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sent

"""The names of the service: what the header Host of a request may be."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from joint_ner_re.messages import quote

ANY = "*"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# A name or an address and, for the header, a port.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(?::\d*)?", re.ASCII)
# What people write for an address with colons.
_ADDRESS = re.compile(r"[0-9a-f]*:[0-9a-f:.]*", re.ASCII)


def host_of(header: str) -> str | None:
    """The name or the address in a header Host, without the port.

    # Returns

    `str | None`
        In lower case; an IPv6 address in its shortest form, in brackets. `None` if it is neither a
        name nor an address.
    """
    found = _HOST.fullmatch(header.strip().lower())
    if found is None:
        return None
    host = found[1]
    if not host.startswith("["):
        return host
    try:
        return f"[{ipaddress.IPv6Address(host[1:-1])}]"
    except ValueError:
        return None


def allowed_hosts(
    host: str, address: str, loopback: bool, more: Iterable[str] = ()
) -> tuple[str, ...] | None:
    """The hosts that requests may be for.

    At loopback these are loopback's names, what was bound, and `more`. Elsewhere the proxy or the
    network decides who may ask and by which names, which nobody here knows: so all are allowed
    unless `more` names some.

    # Parameters

    host : `str`
        The name or the address that was asked for.
    address : `str`
        The address that was bound.
    loopback : `bool`
        Whether only this machine can reach it.
    more : `Iterable[str]`, optional (default = `()`)
        Names and addresses without a port; `"*"` allows all.

    # Returns

    `tuple[str, ...] | None`
        As `host_of` returns them; `None` for all.

    # Raises

    `ValueError`
        If one of `more` is no name and no address.
    """
    wanted = list(more)
    added = [name for name in wanted if name != ANY]
    named = [_named(name) for name in added]
    if ANY in wanted or not (loopback or wanted):
        return None
    bound = [one for one in map(host_of, map(_bracketed, (host, address))) if one is not None]
    return tuple(dict.fromkeys([*LOOPBACK, *bound, *named]))


def _bracketed(name: str) -> str:
    # What follows the sign % is the interface, which no header has.
    plain = name.strip().lower().partition("%")[0]
    return f"[{plain}]" if _ADDRESS.fullmatch(plain) else plain


def _named(name: str) -> str:
    text = _bracketed(name)
    host = host_of(text)
    if host is None or text.count(":") and not text.endswith("]"):
        raise ValueError(
            f"--allowed-hosts has {quote(name)}; expected names or addresses without a port, such "
            "as demo.example.org,10.0.0.5, or * for all"
        )
    return host

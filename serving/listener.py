"""Where clients come in: TCP, Unix sockets, TLS, or a socket somebody else has bound.

    Tcp("127.0.0.1", 6379)
    Tcp("*", 6379)             every IPv4 address;  Tcp("::*", 6379) every IPv6 address
    Tcp("-::1", 6379)          no error where the machine lacks that address, as in redis.conf's `bind`
    Tcp(host, 0)               the kernel chooses a port; further hosts with 0 get the same one
    Unix("/run/x.sock", 0o700) a leftover of a crash is replaced, and the path is removed in the end
    Bound(sock)                handed over by a test or a supervisor

A port that is taken is one clear line and exit 2 (`AddressInUse`): whoever starts servers tells it from a
mistake in the configuration, and may try another port.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

OPTIONAL_ERRORS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENOPROTOOPT, errno.EPROTONOSUPPORT)
EVERYWHERE = {"*": "0.0.0.0", "::*": "::"}


class ListenError(Exception):
    """An address cannot be listened on: `str()` is the line to show."""


class AddressInUse(ListenError):
    """Somebody else listens there: exit 2."""


@dataclass(frozen=True)
class Tcp:
    host: str
    port: int
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Unix:
    path: str
    mode: int | None = None


@dataclass(frozen=True)
class Bound:
    sock: socket.socket
    tls: ssl.SSLContext | None = None


Endpoint = Tcp | Unix | Bound


class Listener:
    """Accepts on any number of endpoints; each connection is what `make_connection` returns.

    addresses    after `start`: (host, port) or a path, one for each endpoint that listens
    skipped      optional addresses that this machine does not have
    """

    def __init__(self, make_connection: Callable[[], asyncio.BaseProtocol], *, backlog: int = 511) -> None:
        self.make_connection = make_connection
        self.backlog = backlog
        self.addresses: list[tuple[str, int] | str] = []
        self.skipped: list[str] = []
        self._servers: list[asyncio.AbstractServer] = []
        self._paths: list[str] = []

    async def start(self, endpoints: Sequence[Endpoint]) -> None:
        """Listen on all of them, or on none.  Raises AddressInUse, ListenError."""
        chosen = 0
        try:
            for endpoint in endpoints:
                match endpoint:
                    case Tcp(host, port, tls):
                        port = await self._listen_tcp(host, port or chosen, tls)
                        chosen = chosen if endpoint.port else port
                    case Unix(path, mode):
                        await self._listen_unix(path, mode)
                    case Bound(sock, tls):
                        await self._listen_bound(sock, tls)
        except BaseException:
            self.stop_accepting()
            raise

    @property
    def port(self) -> int:
        """The first TCP port; 0 without any."""
        return next((address[1] for address in self.addresses if isinstance(address, tuple)), 0)

    @property
    def sockets(self) -> list[socket.socket]:
        """What is listened on, without TLS: a server may accept by itself while the loop stands still."""
        return [sock for server in self._servers for sock in getattr(server, "sockets", ())]

    def stop_accepting(self) -> None:
        """No new connections; the open ones stay."""
        for server in self._servers:
            server.close()
        for path in self._paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self._servers.clear()
        self._paths.clear()

    async def _listen_tcp(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        optional, host = host.startswith("-"), host.removeprefix("-")
        try:
            server = await self._loop.create_server(
                self.make_connection, EVERYWHERE.get(host, host), port, backlog=self.backlog, **_tls(tls)
            )
        except OSError as error:
            if optional and error.errno in OPTIONAL_ERRORS:
                self.skipped.append(host)
                return 0
            raise listen_error(error, f"{host}:{port}") from None
        self._servers.append(server)
        port = _port_of(server) or port
        self.addresses.append((EVERYWHERE.get(host, host), port))
        return port

    async def _listen_unix(self, path: str, mode: int | None) -> None:
        try:
            server = await self._loop.create_unix_server(self.make_connection, path, backlog=self.backlog)
            self._servers.append(server)
            self._paths.append(path)
            if mode is not None:
                os.chmod(path, mode)
        except OSError as error:
            raise listen_error(error, path) from None
        self.addresses.append(path)

    async def _listen_bound(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        name = sock.getsockname()
        address = name if isinstance(name, str) else (name[0], name[1])
        try:
            if sock.family == socket.AF_UNIX:
                server = await self._loop.create_unix_server(
                    self.make_connection, sock=sock, backlog=self.backlog, **_tls(tls)
                )
            else:
                server = await self._loop.create_server(
                    self.make_connection, sock=sock, backlog=self.backlog, **_tls(tls)
                )
        except OSError as error:
            raise listen_error(error, str(address)) from None
        self._servers.append(server)
        self.addresses.append(address)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()


def _tls(context: ssl.SSLContext | None) -> dict[str, Any]:
    return {} if context is None else {"ssl": context}


def _port_of(server: asyncio.AbstractServer) -> int:
    sockets = getattr(server, "sockets", ())
    return int(sockets[0].getsockname()[1]) if sockets else 0


def listen_error(error: OSError, address: str) -> ListenError:
    """What to raise when `address` cannot be had."""
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(f"{address} is taken: another process listens there")
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return ListenError(f"cannot listen on {address}: {reason}")


def tls_context(
    *,
    certificate: str,
    key: str,
    key_password: str = "",
    authorities: str = "",
    authorities_dir: str = "",
    clients: str = "yes",
    ciphers: str = "",
) -> ssl.SSLContext:
    """A server's TLS from files.

    certificate      the server's chain, PEM;  key, key_password: its key
    authorities      who may sign clients' certificates, PEM;  authorities_dir: the same as a hashed folder
    clients          "yes" a certificate is demanded, "optional" checked when shown, "no" not asked for

    Raises ListenError naming the file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    using = certificate
    try:
        context.load_cert_chain(certificate, key, key_password or None)
        if authorities or authorities_dir:
            using = authorities or authorities_dir
            context.load_verify_locations(authorities or None, authorities_dir or None)
        if ciphers:
            using = f"ciphers {ciphers!r}"
            context.set_ciphers(ciphers)
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"TLS: cannot use {using}: {error}") from None
    context.verify_mode = {"yes": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "no": ssl.CERT_NONE}[clients]
    return context

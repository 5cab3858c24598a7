"""The connection: who the client is, which database, which protocol.

Redis has one socket per client and no session cookie: what HELLO, AUTH, SELECT and CLIENT SETNAME say is true for this
connection until it ends, or until RESET makes it as new.  What one client may do to another stands in `clients.py`.

Source: Redis 7.2 `networking.c`, `acl.c`.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from miniredis import REDIS_VERSION
from miniredis.command import ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, STALE, command
from miniredis.errors import RedisError, SyntaxFault, wrong_arity
from miniredis.numbers import integer, parse_integer
from miniredis.wire.replies import OK, Status
from miniredis.wire.requests import Request

if TYPE_CHECKING:
    from miniredis.session import Session

PONG = Status("PONG")
INT_MIN, INT_MAX = -(2**31), 2**31 - 1


@command("PING [message]", FAST)
def ping(session: Session, *message: bytes) -> Any:
    """Answer PONG, or the message given.  O(1)."""
    if len(message) > 1:
        raise wrong_arity("ping")
    if session.careful and session.subscriptions and session.protocol == 2:
        return [b"pong", message[0] if message else b""]
    return message[0] if message else PONG


@command("ECHO message", LOADING | STALE | FAST)
def echo(session: Session, message: bytes) -> bytes:
    """Answer the message.  O(1)."""
    return message


@command("SELECT index", LOADING | STALE | FAST)
def select(session: Session, index: bytes) -> Status:
    """Work on another numbered database from now on.  O(1)."""
    number = integer(index)
    if not INT_MIN <= number <= INT_MAX:
        raise RedisError(f"ERR value is out of range, value must between {INT_MIN} and {INT_MAX}")
    if not 0 <= number < len(session.engine.databases):
        raise RedisError("ERR DB index is out of range")
    session.select(number)
    return OK


@command("QUIT", NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, arity=-1)
def quit_(session: Session, *ignored: bytes) -> Status:
    """Close the connection once everything before is answered.  O(1)."""
    session.close("QUIT")
    return OK


@command("RESET", NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, since="6.2.0")
def reset(session: Session) -> Status:
    """Make the connection as it was when it began: transaction, subscriptions, database, name, login.  O(1)."""
    session.start_over()
    return Status("RESET")


# -- who it is ------------------------------------------------------------------------------------------------------


def without_password(request: Request) -> Request:
    """AUTH as logs may show it."""
    return [request[0], *([b"(redacted)"] * (len(request) - 1))]


def without_hello_password(request: Request) -> Request:
    """HELLO as logs may show it: the two words after AUTH are nobody's business."""
    shown = list(request)
    at = 2
    while at < len(shown):
        option = shown[at].upper()
        if option == b"AUTH" and at + 2 < len(shown):
            shown[at + 1 : at + 3] = [b"(redacted)", b"(redacted)"]
        at += {b"AUTH": 3, b"SETNAME": 2}.get(option, 1)
    return shown


@command(
    "AUTH [username] password",
    NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
    redact=without_password,
)
def auth(session: Session, *words: bytes) -> Status:
    """Log in with the password, as the user `default`, the only one there is.  O(1)."""
    if len(words) > 2:
        raise SyntaxFault
    if len(words) == 1 and not session.engine.settings.requirepass:
        raise RedisError(
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    log_in(session, words[0] if len(words) == 2 else b"default", words[-1])
    return OK


def log_in(session: Session, user: bytes, password: bytes) -> None:
    """Let `session` in.  Raises WRONGPASS; without a password set, any will do for `default`."""
    expected = session.engine.settings.requirepass
    fits = not expected or compare_digest(password, expected.encode("utf-8", "surrogateescape"))
    if user != b"default" or not fits:
        session.engine.stats.failed_logins += 1
        raise RedisError("WRONGPASS invalid username-password pair or user is disabled.")
    session.authenticated = True
    session.settle()


@command(
    "HELLO [protover [AUTH username password] [SETNAME clientname]]",
    NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
    since="6.0.0",
    redact=without_hello_password,
)
def hello(session: Session, *words: bytes) -> dict[bytes, Any]:
    """Agree on a protocol version, log in and take a name, all in one round trip.  O(1)."""
    version = None
    if words:
        version = parse_integer(words[0])
        if version is None:
            raise RedisError("ERR Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise RedisError("NOPROTO unsupported protocol version")
    login: tuple[bytes, bytes] | None = None
    name: bytes | None = None
    at = 1
    while at < len(words):
        option, behind = words[at].upper(), len(words) - at - 1
        if option == b"AUTH" and behind >= 2:
            login = words[at + 1], words[at + 2]
            at += 3
        elif option == b"SETNAME" and behind:
            name = checked_name(words[at + 1], "Client names")
            at += 2
        else:
            raise RedisError(f"ERR Syntax error in HELLO option '{words[at].decode('latin-1')}'")
    if login is not None:
        log_in(session, *login)
    if not session.authenticated:
        raise RedisError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> "
            "option can be used to authenticate the client and select the RESP protocol version at the same time"
        )
    if name is not None:
        session.name = name
    if version is not None:
        session.speak(version)
    return {
        b"server": b"redis",
        b"version": REDIS_VERSION.encode(),
        b"proto": session.protocol,
        b"id": session.id,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


def checked_name(name: bytes, what: str) -> bytes:
    """`name`, if CLIENT LIST can show it on its line.  Raises RedisError, beginning with `what`."""
    if any(not ord("!") <= byte <= ord("~") for byte in name):
        raise RedisError(f"ERR {what} cannot contain spaces, newlines or special characters.")
    return name

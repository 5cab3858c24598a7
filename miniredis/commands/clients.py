"""CLIENT: a client about itself, and an administrator about all of them.

Source: Redis 7.2 `networking.c`, clientCommand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from miniredis.command import ADMIN, LOADING, NOSCRIPT, STALE, command
from miniredis.command_help import add_help
from miniredis.commands.connection import checked_name
from miniredis.errors import RedisError, SyntaxFault
from miniredis.numbers import INT64_MAX, integer, integer_between, parse_integer
from miniredis.pausing import ALL, WRITES
from miniredis.wire.replies import NO_REPLY, OK, SetReply, Status, Verbatim

if TYPE_CHECKING:
    from miniredis.session import Session

CALM = NOSCRIPT | LOADING | STALE
ADMINISTRATION = ADMIN | CALM
SESSION_BYTES = 2_000
"""Of a session without what it holds: the object and its containers, by measure."""


# -- about oneself --------------------------------------------------------------------------------------------------


@command("CLIENT ID", CALM, since="5.0.0", group="connection")
def client_id(session: Session) -> int:
    """The number of this connection; later ones have higher numbers.  O(1)."""
    return session.id


@command("CLIENT INFO", CALM, since="6.2.0", group="connection")
def client_info(session: Session) -> Verbatim:
    """This connection's line of CLIENT LIST.  O(1)."""
    return Verbatim(line_of(session) + "\n")


@command("CLIENT GETNAME", CALM, since="2.6.9", group="connection")
def client_getname(session: Session) -> bytes | None:
    """The name given by CLIENT SETNAME, nil when none was.  O(1)."""
    return session.name or None


@command("CLIENT SETNAME connection-name", CALM, since="2.6.9", group="connection")
def client_setname(session: Session, name: bytes) -> Status:
    """Give this connection a name; an empty one takes it away.  O(1)."""
    session.name = checked_name(name, "Client names")
    return OK


@command("CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>", CALM, since="7.2.0", group="connection")
def client_setinfo(session: Session, attribute: bytes, value: bytes) -> Status:
    """Say which client library this is, and which version.  O(1)."""
    word = attribute.lower()
    if word not in (b"lib-name", b"lib-ver"):
        raise RedisError(f"ERR Unrecognized option '{attribute.decode('latin-1')}'")
    checked_name(value, word.decode())
    if word == b"lib-name":
        session.library_name = value
    else:
        session.library_version = value
    return OK


@command("CLIENT GETREDIR", CALM, since="6.0.0", group="connection")
def client_getredir(session: Session) -> int:
    """Which client gets the invalidation messages; -1: tracking is off.  O(1)."""
    return -1


@command("CLIENT TRACKINGINFO", CALM, since="6.2.0", group="connection")
def client_trackinginfo(session: Session) -> dict[bytes, Any]:
    """How this connection tracks keys: not at all.  O(1)."""
    return {b"flags": SetReply([b"off"]), b"redirect": -1, b"prefixes": []}


@command("CLIENT REPLY <ON | OFF | SKIP>", CALM, since="3.2.0", group="connection")
def client_reply(session: Session, mode: bytes) -> Any:
    """Answer as usual, not at all, or not to the next command.  O(1)."""
    word = mode.upper()
    if word == b"ON":
        announced = session.reply_mode in ("skip next", "skip both")  # by a SKIP within the same EXEC
        session.reply_mode = "skip next" if announced else "on"
        session.settle()
        return OK
    if word not in (b"OFF", b"SKIP"):
        raise SyntaxFault
    if word == b"OFF":
        session.reply_mode = "off"
    elif session.reply_mode != "off":
        session.reply_mode = "skip both" if session.reply_mode == "skip" else "skip next"
    session.settle()
    return NO_REPLY


@command("CLIENT NO-EVICT <ON | OFF>", ADMINISTRATION, since="7.0.0", group="connection")
def client_no_evict(session: Session, switch: bytes) -> Status:
    """Spare this client when the memory of all clients is too much.  O(1)."""
    session.no_evict = on_or_off(switch)
    return OK


@command("CLIENT NO-TOUCH <ON | OFF>", CALM, since="7.2.0", group="connection")
def client_no_touch(session: Session, switch: bytes) -> Status:
    """Let the commands of this client leave no trace in the keys' recency.  O(1)."""
    session.no_touch = on_or_off(switch)
    session.settle()
    return OK


def on_or_off(switch: bytes) -> bool:
    word = switch.upper()
    if word not in (b"ON", b"OFF"):
        raise SyntaxFault
    return word == b"ON"


# -- about all of them ----------------------------------------------------------------------------------------------


@command(
    "CLIENT LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
    ADMINISTRATION,
    since="2.4.0",
    group="connection",
)
def client_list(session: Session, *words: bytes) -> Verbatim:
    """A line about each client, or about some.  O(N) in the clients."""
    sessions = session.engine.sessions
    shown: Sequence[Session] = list(sessions.values())
    if len(words) == 2 and words[0].upper() == b"TYPE":
        kind = client_type(words[1])
        shown = [one for one in shown if one.type == kind]
    elif len(words) > 1 and words[0].upper() == b"ID":
        wanted = [integer(word, "ERR Invalid client ID") for word in words[1:]]
        shown = [sessions[number] for number in wanted if number in sessions]
    elif words:
        raise SyntaxFault
    return Verbatim("".join(line_of(one) + "\n" for one in shown))


def client_type(word: bytes) -> str:
    """normal, slave, pubsub or master.  Raises RedisError."""
    name = word.decode("latin-1").lower()
    if name not in ("normal", "slave", "replica", "pubsub", "master"):
        raise RedisError(f"ERR Unknown client type '{word.decode('latin-1')}'")
    return "slave" if name == "replica" else name


def flags_of(session: Session) -> str:
    """The letters of CLIENT LIST; N when there are none."""
    letters = (
        ("O", session.monitoring),
        ("P", session.subscriptions),
        ("x", session.in_transaction),
        ("b", session.blocked),
        ("d", session.transaction_broken),
        ("c", session.closing),
        ("U", session.address.endswith(":0")),
        ("e", session.no_evict),
        ("T", session.no_touch),
    )
    return "".join(letter for letter, true in letters if true) or "N"


def line_of(session: Session) -> str:
    """One client as `name=value` fields.  Sizes are bytes; what belongs to C's buffers alone is 0."""
    now_ms = session.engine.now_ms
    unread, unsent = session.measure()
    queued = sum(len(word) for _, request in session.transaction for word in request)
    total = SESSION_BYTES + unread + unsent + queued
    fields = {
        "id": session.id,
        "addr": session.address,
        "laddr": session.local_address,
        "fd": session.fd,
        "name": session.name.decode(),
        "age": max(0, now_ms - session.created_ms) // 1000,
        "idle": max(0, now_ms - session.last_used_ms) // 1000,
        "flags": flags_of(session),
        "db": session.database.index,
        "sub": len(session.channels),
        "psub": len(session.patterns),
        "ssub": len(session.shard_channels),
        "multi": len(session.transaction) if session.in_transaction else -1,
        "qbuf": unread,
        "qbuf-free": 0,
        "argv-mem": 0,
        "multi-mem": queued,
        "rbs": 0,
        "rbp": 0,
        "obl": unsent,
        "oll": 0,
        "omem": 0,
        "tot-mem": total,
        "events": "rw" if unsent else "r",
        "cmd": session.last_command,
        "user": session.user,
        "redir": -1,
        "resp": session.protocol,
        "lib-name": session.library_name.decode(),
        "lib-ver": session.library_version.decode(),
    }
    return " ".join(f"{name}={value}" for name, value in fields.items())


@command(
    "CLIENT KILL <ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | "
    "[ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>] ...>>",
    ADMINISTRATION,
    since="2.4.0",
    group="connection",
    arity=-3,
)
def client_kill(session: Session, *words: bytes) -> Any:
    """Close the connections that fit every filter given; the reply counts them.  O(N) in the clients."""
    everyone = list(session.engine.sessions.values())
    if len(words) == 1:
        address = words[0].decode("latin-1")
        victims = [one for one in everyone if one.address == address][:1]
        if not victims:
            raise RedisError("ERR No such client")
        kill(victims[0], session)
        return OK
    filters, skip_me = kill_filters(words)
    victims = [one for one in everyone if all(fits(one) for fits in filters) and not (skip_me and one is session)]
    for victim in victims:
        kill(victim, session)
    return len(victims)


def kill_filters(words: Sequence[bytes]) -> tuple[list[Callable[[Session], bool]], bool]:
    """What the victims must fit, and whether whoever asks is spared."""
    filters: list[Callable[[Session], bool]] = []
    skip_me = True
    remaining = iter(words)
    for option in remaining:
        value = next(remaining, None)
        name, text = option.upper(), (value or b"").decode("latin-1")
        if value is None:
            raise SyntaxFault
        if name == b"ID":
            filters.append(_is("id", integer_between(value, 1, INT64_MAX, "ERR client-id should be greater than 0")))
        elif name == b"TYPE":
            filters.append(_is("type", client_type(value)))
        elif name == b"ADDR":
            filters.append(_is("address", text))
        elif name == b"LADDR":
            filters.append(_is("local_address", text))
        elif name == b"USER":
            if text != "default":
                raise RedisError(f"ERR No such user '{text}'")
        elif name == b"SKIPME" and text.lower() in ("yes", "no"):
            skip_me = text.lower() == "yes"
        else:
            raise SyntaxFault
    return filters, skip_me


def _is(attribute: str, wanted: Any) -> Callable[[Session], bool]:
    return lambda session: bool(getattr(session, attribute) == wanted)


def kill(victim: Session, by: Session) -> None:
    """Close `victim`; it hears nothing more, unless it did this to itself and has a reply to come."""
    if victim is not by:
        victim.out.clear()
    victim.close("CLIENT KILL")


@command("CLIENT UNBLOCK client-id [TIMEOUT | ERROR]", ADMINISTRATION, since="5.0.0", group="connection")
def client_unblock(session: Session, number: bytes, *reason: bytes) -> int:
    """End the waiting of a client in BLPOP or the like; 1 when it was waiting.  O(log N) in the clients."""
    with_error = False
    if reason:
        word = reason[0].upper()
        if len(reason) > 1 or word not in (b"TIMEOUT", b"ERROR"):
            raise RedisError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
        with_error = word == b"ERROR"
    engine = session.engine
    target = engine.sessions.get(integer(number))
    if target is None or target not in engine.waiting.sessions:
        return 0
    if with_error:
        engine.waiting.interrupt(target, RedisError("UNBLOCKED client unblocked via CLIENT UNBLOCK"))
    else:
        engine.waiting.time_out(target)
    return 1


@command("CLIENT PAUSE timeout [WRITE | ALL]", ADMINISTRATION, since="3.0.0", group="connection")
def client_pause(session: Session, timeout: bytes, *mode: bytes) -> Status:
    """Hold back all commands, or those that write, for so many milliseconds.  O(1)."""
    what = ALL
    if mode:
        word = mode[0].upper()
        if len(mode) > 1 or word not in (b"WRITE", b"ALL"):
            raise RedisError("ERR CLIENT PAUSE mode must be WRITE or ALL")
        what = ALL if word == b"ALL" else WRITES
    session.engine.pause.begin(what, milliseconds(session, timeout))
    return OK


@command("CLIENT UNPAUSE", ADMINISTRATION, since="6.2.0", group="connection")
def client_unpause(session: Session) -> Status:
    """Let commands go on that CLIENT PAUSE holds back.  O(N) in the clients."""
    session.engine.pause.end()
    return OK


def milliseconds(session: Session, text: bytes) -> int:
    """A timeout in whole milliseconds.  Raises the errors of WAIT and CLIENT PAUSE."""
    number = parse_integer(text)
    if number is None:
        raise RedisError("ERR timeout is not an integer or out of range")
    if number < 0:
        raise RedisError("ERR timeout is negative")
    if number > INT64_MAX - session.engine.now_ms:
        raise RedisError("ERR timeout is out of range")
    return number


add_help("CLIENT", since="5.0.0")

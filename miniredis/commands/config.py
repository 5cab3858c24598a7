"""CONFIG: what the server was told, shown and changed while it runs.

The table of directives is `options.py`; reading, checking and rewriting is `serving.config`.  A CONFIG SET of several
is all or nothing: every value is checked before one changes, and when a part of the server cannot take the new values
over, the old ones are put back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniredis.command import ADMIN, LOADING, NOSCRIPT, STALE, command
from miniredis.command_help import add_help
from miniredis.errors import RedisError, SyntaxFault
from miniredis.options import OPTIONS
from miniredis.wire.replies import OK, Status
from miniredis.wire.requests import Request
from serving.config import SettingError, UnknownOption

if TYPE_CHECKING:
    from miniredis.session import Session

ADMINISTRATION = ADMIN | NOSCRIPT | LOADING | STALE


def without_secrets(request: Request) -> Request:
    """CONFIG SET as the slow log may show it."""
    shown = list(request)
    for at in range(2, len(shown) - 1, 2):
        option = OPTIONS.find(shown[at].decode("latin-1"))
        if option is not None and option.secret:
            shown[at + 1] = b"(redacted)"
    return shown


@command("CONFIG GET parameter [parameter ...]", ADMINISTRATION, since="2.0.0", group="server")
def config_get(session: Session, *patterns: bytes) -> dict[bytes, bytes]:
    """The values of the directives that match any of these glob patterns.  O(N) in the directives."""
    found = session.engine.settings.get(*(pattern.decode("utf-8", "surrogateescape") for pattern in patterns))
    return {name.encode(): text.encode("utf-8", "surrogateescape") for name, text in found}


@command(
    "CONFIG SET parameter value [parameter value ...]",
    ADMINISTRATION,
    since="2.0.0",
    group="server",
    redact=without_secrets,
)
def config_set(session: Session, *words: bytes) -> Status:
    """Change directives, all of them or none.  O(N) in the directives given."""
    if len(words) % 2:
        raise SyntaxFault
    texts = [word.decode("utf-8", "surrogateescape") for word in words]
    protected = session.engine.settings.enable_protected_configs
    allowed = protected == "yes" or (protected == "local" and session.is_local)
    try:
        session.engine.settings.set(zip(texts[::2], texts[1::2], strict=True), protected=allowed)
    except UnknownOption as error:
        raise RedisError(f"ERR Unknown option or number of arguments for CONFIG SET - '{error.name}'") from None
    except SettingError as error:
        raise RedisError(
            f"ERR CONFIG SET failed (possibly related to argument '{error.name}') - {error.reason}"
        ) from None
    return OK


@command("CONFIG RESETSTAT", ADMINISTRATION, since="2.0.0", group="server")
def config_resetstat(session: Session) -> Status:
    """Set the counters of INFO back to nothing.  O(1)."""
    session.engine.reset_statistics()
    return OK


@command("CONFIG REWRITE", ADMINISTRATION, since="2.8.0", group="server")
def config_rewrite(session: Session) -> Status:
    """Bring the configuration file up to what is true now, comments and order kept.  O(1)."""
    host = session.engine.host
    if not host.facts.config_file:
        raise RedisError("ERR The server is running without a config file")
    try:
        host.rewrite_config()
    except OSError as error:
        raise RedisError(f"ERR Rewriting config file: {error.strerror}") from None
    return OK


add_help("CONFIG", since="5.0.0")

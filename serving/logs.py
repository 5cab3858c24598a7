"""What a server says of itself: a line for people, or an object of JSON for machines.

    2026-03-01 09:30:00.125 notice  miniredis: Ready to accept connections on 127.0.0.1:6379
    {"time": "2026-03-01T09:30:00.125Z", "level": "notice", "logger": "miniredis", "message": "Ready ..."}

Levels bear Redis's names, of which the others' are subsets: debug, verbose, notice, warning, and error.  Code
logs as Python does, `logging.getLogger("miniredis").info(...)`, and info is what Redis calls a notice.
"""

import json
import logging
import logging.handlers
import sys
from datetime import UTC, datetime

VERBOSE = 15
LEVELS = {
    "debug": logging.DEBUG,
    "verbose": VERBOSE,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "nothing": logging.CRITICAL + 1,
}
NAMES = {number: name for name, number in LEVELS.items()} | {logging.CRITICAL: "critical"}


class HumanFormatter(logging.Formatter):
    """Local time, level, logger, message; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created).isoformat(" ", "milliseconds")
        text = f"{when} {_level(record):7} {record.name}: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonFormatter(logging.Formatter):
    """One object a line, times in UTC, a traceback as text."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": when.replace("+00:00", "Z"),
            "level": _level(record),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _level(record: logging.LogRecord) -> str:
    return NAMES.get(record.levelno) or record.levelname.lower()


def start_logging(level: int, log_format: str, file: str = "") -> logging.Handler:
    """Send all logs to `file` (reopened when it was moved away), or to standard output.  Raises OSError."""
    handler: logging.Handler
    handler = logging.handlers.WatchedFileHandler(file) if file else logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if log_format == "json" else HumanFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    return handler

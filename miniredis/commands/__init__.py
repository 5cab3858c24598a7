"""The commands: a chapter per data type, and one per other theme.  Importing this package fills the table."""

import importlib

CHAPTERS = (
    "strings",
    "keys",
    "transactions",
    "pubsub",
    "connection",
    "clients",
    "databases",
    "server",
    "info",
    "config",
    "command_docs",
    "slowlog",
    "latency",
    "memory",
)

for _chapter in CHAPTERS:
    importlib.import_module(f"miniredis.commands.{_chapter}")

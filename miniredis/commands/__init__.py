"""The commands: a chapter per data type, and one per other theme.  Importing this package fills the table."""

import importlib

CHAPTERS = (
    "strings",
    "bitmaps",
    "hyperloglog",
    "lists",
    "sets",
    "hashes",
    "sorted_sets",
    "sorted_set_ranges",
    "sorted_set_algebra",
    "geo",
    "keys",
    "sorting",
    "dump",
    "transactions",
    "pubsub",
    "scripting",
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
    "debug",
)

for _chapter in CHAPTERS:
    importlib.import_module(f"miniredis.commands.{_chapter}")

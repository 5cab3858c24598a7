"""The commands: a chapter per data type, and one per other theme.  Importing this package fills the table."""

import importlib

CHAPTERS = (
    "strings",
    "bitmaps",
    "hyperloglog",
    "sorted_sets",
    "sorted_set_ranges",
    "sorted_set_algebra",
    "geo",
    "keys",
    "connection",
)

for _chapter in CHAPTERS:
    importlib.import_module(f"miniredis.commands.{_chapter}")

"""Groups of commands as tables: the module behind a word is imported when it is typed.

So `mini --help` and `mini kafka --help` stay quick however much stands behind the words.
"""

import importlib
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Word:
    """One subcommand: where it lives, and its line in the help of its group."""

    module: str
    attribute: str
    doc: str


class Words(click.Group):
    """A group that knows its words and their help without importing what does the work."""

    def __init__(self, *args: Any, words: dict[str, Word], **options: Any) -> None:
        super().__init__(*args, **options)
        self.words = words

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.words)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.words:
            return None
        word = self.words[cmd_name]
        command = getattr(importlib.import_module(word.module), word.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, word.doc) for name, word in self.words.items()])

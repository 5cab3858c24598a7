"""`mini`: the one command, and what stands behind each word after it.

The words are a table; the module behind a word is imported when it is typed, so `mini --help` stays quick however many
servers join.  A new command is one row here and one file beside this one.
"""

import importlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import click

EPILOG = """
\b
Try it:
  mini up                       start every server there is, and see where to connect
  mini redis start              miniredis alone, on port 6379, with redis-server's defaults
  mini redis start --port 6380 --appendonly yes
  mini kill redis               from a second terminal: kill -9, then `mini start redis`
  mini chaos run redis-kill9    the same twenty times under load, and everything read back
  mini simulate redis           crashes and power failures under virtual time, by seed
  mini learn raft               an election and the repair of a log, played in the terminal
"""


@dataclass(frozen=True)
class Word:
    """One subcommand: where it lives, and its line in `mini --help`."""

    module: str
    attribute: str
    doc: str


WORDS = {
    "redis": Word("cli.redis", "redis", "miniredis: `mini redis start`"),
    "kafka": Word("cli.kafka", "kafka", "minikafka: `mini kafka start`, `mini kafka topics`, ..."),
    "up": Word("cli.up", "up", "start every server there is; Ctrl-C stops them"),
    "ps": Word("cli.up", "ps", "the servers of a running `mini up`"),
    "start": Word("cli.up", "start", "start a server again"),
    "stop": Word("cli.up", "stop", "stop a server in order (SIGTERM)"),
    "kill": Word("cli.up", "kill", "kill a server (SIGKILL)"),
    "pause": Word("cli.up", "pause", "freeze a server (SIGSTOP)"),
    "resume": Word("cli.up", "resume", "let a frozen server go on (SIGCONT)"),
    "chaos": Word("cli.chaos", "chaos", "break real processes and check what they promised"),
    "simulate": Word("cli.simulate", "simulate", "run a server under virtual time, thousands of seeds"),
    "learn": Word("cli.learn", "learn", "watch an algorithm at work, step by step"),
    "bench": Word("cli.bench", "bench", "measure a server beside the real one"),
}


class Words(click.Group):
    """A group that knows the words and their help without importing what does the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(WORDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in WORDS:
            return None
        word = WORDS[cmd_name]
        command = getattr(importlib.import_module(word.module), word.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, word.doc) for name, word in WORDS.items()])


def installed_version() -> str:
    try:
        return version("mini-infra")
    except PackageNotFoundError:
        return "not installed"


def print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"mini {installed_version()}")
        ctx.exit()


@click.command(cls=Words, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Print the version.",
)
def main() -> None:
    """The backend that system-design books talk about, from scratch in Python: to read, and to use."""


if __name__ == "__main__":
    main(prog_name="mini")

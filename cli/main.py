"""`mini`: the one command, and what stands behind each word after it.

The words are a table (words.py).  A new command is one row here and one file beside this one.
"""

from importlib.metadata import PackageNotFoundError, version

import click

from cli.words import Word, Words

EPILOG = """
\b
Try it:
  mini up                       start every server there is, and see where to connect
  mini redis start              miniredis alone, on port 6379, with redis-server's defaults
  mini redis start --port 6380 --appendonly yes
  mini kafka cluster            three Kafka brokers alone, on ports 9092, 9094 and 9096
  mini kafka topics create greetings --partitions 3
  mini ratelimit start rules.toml    a rate limiter that answers 200 and 429; `mini ratelimit example` prints rules
  mini kill redis               from a second terminal: kill -9, then `mini start redis`
  mini chaos run redis-kill9    the same twenty times under load, and everything read back
  mini chaos run kafka-kill-leader    three brokers under fire for two minutes
  mini simulate redis           crashes and power failures under virtual time, by seed
  mini learn raft               an election and the repair of a log, played in the terminal
"""


WORDS = {
    "redis": Word("cli.redis", "redis", "miniredis: `mini redis start`"),
    "kafka": Word("cli.kafka", "kafka", "minikafka: `mini kafka start`, `mini kafka topics`, ..."),
    "ratelimit": Word("cli.ratelimit", "ratelimit", "rate limits: `mini ratelimit start`, `check`, `watch`, `plot`"),
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


def installed_version() -> str:
    try:
        return version("mini-infra")
    except PackageNotFoundError:
        return "not installed"


def print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"mini {installed_version()}")
        ctx.exit()


@click.command(cls=Words, words=WORDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
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

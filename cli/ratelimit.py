"""`mini ratelimit ...`: the service, and the tools that ask it."""

import sys
from importlib import import_module, resources

import click

from cli.words import Word, Words

EPILOG = """
\b
Try it:
  mini ratelimit example > rules.toml       a file of rules to start from
  mini ratelimit start rules.toml           a service on port 8429
  curl -i localhost:8429/auth               200, and 429 when you asked too often
  mini ratelimit check --ip 203.0.113.9 --path /login --times 7
  mini ratelimit watch                      whom it hears of most, live
  mini ratelimit plot boundary-burst        every algorithm on one trace
"""

WORDS = {
    "start": Word("cli.ratelimit", "start", "the service in the foreground: 200 and 429 over HTTP"),
    "check": Word("cli.ratelimit_check", "check", "ask a service, or a file of rules, about a request"),
    "watch": Word("cli.ratelimit_watch", "watch", "the busiest keys of a service, live"),
    "plot": Word("cli.ratelimit_plot", "plot", "what every algorithm does with one trace, as text and SVG"),
    "example": Word("cli.ratelimit", "example", "print a file of rules to start from"),
}


@click.command(cls=Words, words=WORDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def ratelimit() -> None:
    """Rate limiting: rules, a service that keeps them, and a look at how algorithms differ."""


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "allow_interspersed_args": False,
    },
    add_help_option=False,
    options_metavar="rules.toml [--override key=value ...]",
)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="")
def start(argv: tuple[str, ...]) -> None:
    """Start the service in the foreground; its own table of options knows what may follow, `--help` included."""
    service = import_module("ratelimit.main")  # only now: `mini --help` need not wait for it
    sys.exit(service.main(list(argv)))


@click.command()
def example() -> None:
    """Print a file of rules that shows what can be said."""
    click.echo(resources.files("ratelimit").joinpath("example.toml").read_text(), nl=False)

"""`mini redis start`: argv goes to miniredis as it stands.

redis-server's own way of naming options (`--save "60 1000" --save ""`, a redis.conf as first argument) is not click's,
and the table of options that understands it, `--help` included, is the server's.
"""

import sys
from importlib import import_module

import click


@click.group()
def redis() -> None:
    """miniredis, a Redis 7.2 on one node."""


@redis.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "allow_interspersed_args": False,
    },
    add_help_option=False,
    options_metavar="[redis.conf] [--directive value ...]",
)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="")
def start(argv: tuple[str, ...]) -> None:
    """Start the server in the foreground, with the directives of redis-server."""
    server = import_module("miniredis.main")  # only now: `mini --help` need not wait for it
    sys.exit(server.main(list(argv)))

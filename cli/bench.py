"""`mini bench redis`: ours beside the real server, in one run."""

import json
from dataclasses import replace
from pathlib import Path

import click


@click.group()
def bench() -> None:
    """Measure a server beside the real one."""


@bench.command()
@click.option(
    "--quick", is_flag=True, help="A fifth of the requests: a minute or two instead of ten, and wider errors."
)
@click.option("--rounds", type=click.IntRange(min=1), help="How often each server has its turn (3).")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Keep every figure here.")
def redis(quick: bool, rounds: int | None, json_file: Path | None) -> None:
    """redis-server, fakeredis, ours and a bare floor: rates, server CPU, bulk load and memory."""
    from lab.benchmarks import redis as benchmark
    from lab.benchmarks import redis_tables
    from lab.peers import PeerMissing

    size = benchmark.QUICK if quick else benchmark.FULL
    if rounds:
        size = replace(size, rounds=rounds)
    try:
        results = benchmark.run(size, note=lambda text: click.echo(text, err=True))
    except PeerMissing as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join(redis_tables.lines(results)))
    if json_file:
        json_file.write_text(json.dumps(redis_tables.as_json(results), indent=1) + "\n")

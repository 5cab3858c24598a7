"""`mini bench redis`: ours beside the real server, in one run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

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


@bench.command()
@click.option("--quick", is_flag=True, help="One round of a second a row: three minutes, and figures to the eye only.")
@click.option(
    "--rounds", type=click.IntRange(min=1), help="How often each server has its turn, one more not counted (3)."
)
@click.option("--seconds", type=click.FloatRange(min=0.1), help="How long a row is measured (4).")
@click.option("--rows", default="", help="Only these, comma between: full,100,10,1,small,consume,latency,3-full ...")
@click.option("--servers", default="", help="Only these, comma between: kafka,mini,floor.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Keep every figure here.")
def kafka(
    quick: bool, rounds: int | None, seconds: float | None, rows: str, servers: str, json_file: Path | None
) -> None:
    """Apache Kafka, ours and a bare floor: rates, broker CPU, latencies, start and memory; one broker and three."""
    from lab.benchmarks import kafka as benchmark
    from lab.benchmarks import kafka_servers, kafka_tables
    from lab.peers import PeerMissing

    size = benchmark.QUICK if quick else benchmark.FULL
    size = replace(size, rounds=rounds or size.rounds, seconds=seconds or size.seconds)
    chosen = named(rows, {row.key: row for row in benchmark.ROWS}, "--rows")
    contestants = named(servers, {contestant.name: contestant for contestant in kafka_servers.CONTESTANTS}, "--servers")
    try:
        results = benchmark.run(size, chosen, contestants, note=lambda text: click.echo(text, err=True))
    except PeerMissing as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join(kafka_tables.lines(results)))
    if json_file:
        json_file.write_text(json.dumps(kafka_tables.as_json(results), indent=1) + "\n")


@bench.command()
@click.option("--quick", is_flag=True, help="One round of a fifth: two minutes, and figures to the eye only.")
@click.option("--rounds", type=click.IntRange(min=1), help="How often each has its turn (3).")
@click.option("--sections", default="", help="Only these, comma between: one key,many keys,redis-server,attack ...")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Keep every figure here.")
def ratelimit(quick: bool, rounds: int | None, sections: str, json_file: Path | None) -> None:
    """Our limiters beside limits, throttled-py and pyrate-limiter: in process, over Redis, under attack."""
    from lab.benchmarks import ratelimit as benchmark
    from lab.benchmarks import ratelimit_tables

    size = benchmark.QUICK if quick else benchmark.FULL
    size = replace(size, rounds=rounds or size.rounds)
    wanted = [name.strip() for name in sections.split(",") if name.strip()]
    results = benchmark.run(size, note=lambda text: click.echo(text, err=True), wanted=wanted)
    click.echo("\n".join(ratelimit_tables.lines(results)))
    if json_file:
        json_file.write_text(json.dumps(ratelimit_tables.as_json(results), indent=1) + "\n")


@bench.command()
@click.option(
    "--wall", is_flag=True, help="Waiting for the disk counts, too; on a busy machine so does everybody else."
)
def slices(wall: bool) -> None:
    """For how long one callback holds a broker's loop: 1,000 partitions made, led, recovered, deleted; large snapshots."""
    from cli import kafka_slices

    kafka_slices.run(wall)


Named = TypeVar("Named")


def named(wanted: str, known: dict[str, Named], option: str) -> list[Named]:
    """Those of `known` that `wanted` names, all when it names none.  Raises click.BadParameter."""
    names = [name.strip() for name in wanted.split(",") if name.strip()] or list(known)
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"{', '.join(unknown)}; there are {', '.join(known)}", param_hint=option)
    return [known[name] for name in names]

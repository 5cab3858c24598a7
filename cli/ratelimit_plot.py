"""`mini ratelimit plot`: every algorithm on one trace, in the terminal and as SVG.

      fixed window    ····▁▁▁▁▁▁██████        ████ admitted, by height
                                              ×××× denied

The last column says what differs: the most that an algorithm ever let through within one period.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cli.ratelimit_played import Played
    from ratelimit.limit import Limit

HEIGHTS = " ▁▂▃▄▅▆▇█"
DENIED = " ░▒▓"


@click.command()
@click.argument("trace", default="boundary-burst", metavar="TRACE")
@click.option(
    "--limit", "text", default="10 per minute", show_default=True, help="How much; `burst` is for the buckets."
)
@click.option("--algorithms", default="", help="Only these, comma between: gcra,fixed_window ...")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the random trace.")
@click.option("--svg", "svg_file", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture, too.")
@click.option("--width", type=click.IntRange(20, 400), default=72, show_default=True, help="Columns of a row.")
def plot(trace: str, text: str, algorithms: str, seed: int, svg_file: Path | None, width: int) -> None:
    """Show what every algorithm does with TRACE: boundary-burst, steady, poisson, spike, or a file with a time in
    milliseconds on each line; `all` shows each of the four."""
    from cli.ratelimit_played import NAMES, play
    from cli.ratelimit_svg import svg, time_text
    from cli.ratelimit_traces import TRACES
    from ratelimit.limit import Limit, LimitError

    try:
        limit = Limit.parse(text)
    except LimitError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from None
    if not limit.rate:
        raise click.BadParameter("nothing ever passes, and nothing is to be seen", param_hint="--limit")
    chosen = [name.strip() for name in algorithms.split(",") if name.strip()] or list(NAMES)
    if unknown := [name for name in chosen if name not in NAMES]:
        raise click.BadParameter(f"{', '.join(unknown)}; there are {', '.join(NAMES)}", param_hint="--algorithms")
    traces = {name: times_of(name, limit, seed) for name in (TRACES if trace == "all" else [trace])}
    played = [
        one._replace(name=one.name if len(traces) == 1 else f"{name}, {one.name}" if len(chosen) > 1 else name)
        for name, times in traces.items()
        for one in play(times, limit, chosen)
    ]
    last_ms = max(max([0, *one.admitted, *one.denied]) for one in played)
    length_ms = -(-(last_ms + 1) // limit.per_ms) * limit.per_ms
    if len(traces) == 1:
        title = f"{Path(trace).name}: {len(traces[trace])} requests in {time_text(length_ms)}, {limit} allowed"
    else:
        title = f"{NAMES[chosen[0]] if len(chosen) == 1 else 'every trace'}: {limit} allowed"
    click.echo("\n".join(rows(title, played, limit, length_ms, width)))
    if svg_file:
        svg_file.write_text(svg(title, played, limit, length_ms))


def times_of(trace: str, limit: "Limit", seed: int) -> list[int]:
    """A trace by name or from a file.  Raises click.ClickException."""
    from cli.ratelimit_traces import TRACES, read_trace

    if trace in TRACES:
        return TRACES[trace](limit, Random(seed))
    try:
        return read_trace(Path(trace))
    except FileNotFoundError:
        raise click.ClickException(f"{trace!r} is neither a file nor one of {', '.join(TRACES)}") from None
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


def rows(title: str, played: Sequence["Played"], limit: "Limit", length_ms: int, width: int) -> list[str]:
    """The plot as lines: for each algorithm one of heights, one of denials, one between."""
    from cli.ratelimit_svg import binned

    names = max(len(one.name) for one in played)
    edges = "".join("┊" if edge_at(column, limit, length_ms, width) else " " for column in range(width))
    tallest = max([1, *(max(binned(one.admitted, length_ms, width)) for one in played)])
    deepest = max([1, *(max(binned(one.denied, length_ms, width)) for one in played)])
    lines = [title, "█ admitted, ░▒▓ denied, ┊ the edge of a window", ""]
    for one in played:
        admitted, denied = binned(one.admitted, length_ms, width), binned(one.denied, length_ms, width)
        above = drawn(admitted, tallest, HEIGHTS, edges)
        below = drawn(denied, deepest, DENIED, edges)
        over = "  ← over the limit" if one.most > limit.rate else ""
        lines.append(f"{one.name:>{names}}  {above}  at most {one.most} in a period{over}")
        lines.append(f"{'':>{names}}  {below}  {len(one.admitted)} of {len(one.admitted) + len(one.denied)}")
    return [line.rstrip() for line in lines]


def edge_at(column: int, limit: "Limit", length_ms: int, width: int) -> bool:
    """Whether a window begins within the column."""
    begin, end = column * length_ms // width, (column + 1) * length_ms // width
    return -(-begin // limit.per_ms) * limit.per_ms < end


def drawn(counts: Sequence[int], most: int, letters: str, edges: str) -> str:
    """A letter for each count, the highest for `most`; edges of windows show where nothing is."""
    top = len(letters) - 1
    return "".join(
        letters[max(1, count * top // most)] if count else edge for count, edge in zip(counts, edges, strict=True)
    )

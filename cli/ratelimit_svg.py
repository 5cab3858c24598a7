"""What every algorithm did with one trace, as a picture: a lane each, bars of admitted above and denied below the line.

Plain SVG, the same bytes for the same trace, readable on light and on dark pages.
"""

from collections.abc import Sequence
from html import escape

from cli.ratelimit_played import Played
from ratelimit.limit import Limit

WIDTH, LANE, LEFT, RIGHT, TOP, BOTTOM = 860, 84, 130, 150, 46, 34
BINS = 160
UP, DOWN = 44, 22  # pixels of the tallest bar above and below the line

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .name { font-weight: 600; fill: #24292f } .over { fill: #cf222e; font-weight: 600 }
  .in { fill: #1a7f37 } .out { fill: #cf222e; opacity: .55 } .line { stroke: #8c959f }
  .edge { stroke: #8c959f; stroke-dasharray: 2 4 } .span { fill: #bf8700; opacity: .16 }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 } .name { fill: #f0f6fc } .in { fill: #3fb950 } .out, .over { fill: #f85149 }
  }
"""


def binned(times: Sequence[int], length_ms: int, bins: int) -> list[int]:
    """How many of `times` fall into each of `bins` equal parts of the trace."""
    counts = [0] * bins
    for time_ms in times:
        counts[min(bins - 1, time_ms * bins // length_ms)] += 1
    return counts


def svg(title: str, played: Sequence[Played], limit: Limit, length_ms: int) -> str:
    """The whole file."""
    height = TOP + LANE * len(played) + BOTTOM
    scale = (WIDTH - LEFT - RIGHT) / length_ms
    tallest = max([1, *(max(binned(one.admitted, length_ms, BINS)) for one in played)])
    deepest = max([1, *(max(binned(one.denied, length_ms, BINS)) for one in played)])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text x="{LEFT}" y="18" class="name">{escape(title)}</text>',
        f'<text x="{LEFT}" y="34">admitted above the line, denied below; '
        "shaded: the period in which most got through</text>",
    ]
    for number in range(length_ms // limit.per_ms + 1):
        x = LEFT + number * limit.per_ms * scale
        parts.append(f'<line class="edge" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle">{time_text(number * limit.per_ms)}</text>'
        )
    for row, one in enumerate(played):
        parts += lane(one, TOP + row * LANE + UP + 10, scale, limit, length_ms, UP / tallest, DOWN / deepest)
    return "\n".join([*parts, "</svg>", ""])


def lane(one: Played, line: int, scale: float, limit: Limit, length_ms: int, up: float, down: float) -> list[str]:
    """One algorithm, its zero at height `line`."""
    width = (WIDTH - LEFT - RIGHT) / BINS
    begin, end = LEFT + one.most_from_ms * scale, LEFT + min(length_ms, one.most_from_ms + limit.per_ms) * scale
    parts = [
        f'<rect class="span" x="{begin:.1f}" y="{line - UP - 4}" width="{end - begin:.1f}" height="{UP + DOWN + 8}"/>',
        f'<line class="line" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{line}" y2="{line}"/>',
        f'<text class="name" x="{LEFT - 12}" y="{line + 4}" text-anchor="end">{escape(one.name)}</text>',
        f'<text class="{"over" if one.most > limit.rate else ""}" x="{WIDTH - RIGHT + 12}" y="{line - 6}">'
        f"at most {one.most} in a period</text>",
        f'<text x="{WIDTH - RIGHT + 12}" y="{line + 12}">{len(one.admitted)} of {len(one.admitted) + len(one.denied)}</text>',
    ]
    for css, times, pixels, above in (("in", one.admitted, up, True), ("out", one.denied, down, False)):
        for number, count in enumerate(binned(times, length_ms, BINS)):
            if count:
                high = count * pixels
                y = line - high if above else line
                x = LEFT + number * width
                parts.append(
                    f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{width - 0.6:.1f}" height="{high:.1f}"/>'
                )
    return parts


def time_text(ms: int) -> str:
    """A time on the axis."""
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if ms >= size:
            return f"{ms / size:g} {unit}"
    return f"{ms} ms" if ms else "0"

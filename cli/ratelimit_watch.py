"""`mini ratelimit watch`: the busiest keys of a service, who is denied, as a table that lives."""

import sys
import time
from typing import Any

import click

from cli.ratelimit_service import asked, url_option

CLEAR = "\x1b[H\x1b[2J"
BAR = 24


@click.command()
@url_option
@click.option("--top", type=click.IntRange(1, 200), default=20, show_default=True, help="How many keys.")
@click.option("--every", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="One look, and no more.")
def watch(url: str, top: int, every: float, once: bool) -> None:
    """Show whom the service hears of most.  Ctrl-C ends it."""
    terminal = sys.stdout.isatty()
    while True:
        lines = picture(asked(url, f"/busiest?top={top}")[1]["busiest"], asked(url, "/rules")[1])
        click.echo((CLEAR if terminal and not once else "") + "\n".join(lines))
        if once:
            return
        try:
            time.sleep(every)
        except KeyboardInterrupt:
            return


def picture(busiest: list[dict[str, Any]], rules: dict[str, Any]) -> list[str]:
    """The table, and a warning while the file of rules is not good."""
    lines = [f"{rules['file']}: {len(rules['rules'])} rules"]
    if rules["trouble"]:
        lines += ["", "The file has changed and is not good; the older rules are in use:", rules["trouble"]]
    lines.append("")
    if not busiest:
        return [*lines, "Nobody has come in the last seconds."]
    most = max(row["passed_per_s"] + row["denied_per_s"] for row in busiest)
    cells = [("key", "rule", "passed/s", "denied/s", "")]
    for row in busiest:
        passed = round(BAR * row["passed_per_s"] / most)
        denied = round(BAR * row["denied_per_s"] / most)
        bar = "█" * passed + "░" * denied
        rates = f"{row['passed_per_s']:.1f}", f"{row['denied_per_s']:.1f}"
        cells.append((row["key"][:48], row["rule"][:32], *rates, bar))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for key, rule, passed_text, denied_text, bar in cells:
        lines.append(
            f"{key:{widths[0]}}  {rule:{widths[1]}}  {passed_text:>{widths[2]}}  {denied_text:>{widths[3]}}  {bar}".rstrip()
        )
    return lines

"""`make record-kafka`: play every story before Apache Kafka and keep what it answers in tests/golden/kafka.

    python -m tests.golden.record                    all themes
    python -m tests.golden.record groups produce     some

A theme has a fresh broker of its own, or three, so a file can be made again by itself.
"""

import sys
import time

from lab.kafka_peers import kafka_cluster
from tests.golden.files import FOLDER, write
from tests.golden.play import Theme
from tests.golden.stories import THEMES


def record(theme: Theme) -> None:
    began = time.monotonic()
    with kafka_cluster(theme.brokers, *theme.overrides) as kafka:
        addresses = {node.node_id: ("127.0.0.1", node.port) for node in kafka.nodes}
        started = time.monotonic()
        scenes = theme.play(addresses)
    played = time.monotonic()
    if broken := [scene for scene in scenes if scene.broken]:
        for scene in broken:
            print(f"{theme.name}.{scene.name}: after {len(scene.steps)} exchanges: {scene.broken}")
            for step in scene.steps[-1:]:
                print(f"    {step.what}: {step.request.hex()} {step.answer!r} {step.outcome}")
        sys.exit(1)
    write(FOLDER / f"{theme.name}.txt", theme.text, scenes)
    steps = sum(len(scene.steps) for scene in scenes)
    print(
        f"{theme.name}: {len(scenes)} stories, {steps} exchanges, {played - started:.1f} s after {started - began:.1f} s"
    )


def main() -> None:
    wanted = sys.argv[1:] or list(THEMES)
    for name in wanted:
        record(THEMES[name])


if __name__ == "__main__":
    main()

"""The same stories told to another server, and where its answers differ.

python -m tests.golden.replay --apache [theme[.story] ...]    before Apache Kafka: it must agree with its record
python -m tests.golden.replay [theme[.story] ...]             before ours: it must differ as differences.tsv says

Each difference is a line as it would stand in differences.tsv, where those are listed that we decided to have:

    story    step           path         here    Apache Kafka's
    -----    -----------    ---------    ----    --------------
    fetch.x  3 Fetch 12     error_code   0       -1

A listed one that is not found any more is wrong too.
"""

import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from lab.kafka_peers import kafka_cluster, mini_kafka_cluster
from minikafka.wire.apis import API_VERSIONS, APIS
from tests.golden import files
from tests.golden.canonical import Difference, Names, differences
from tests.golden.play import Scene, Step, Theme
from tests.golden.stories import THEMES

LISTED = files.FOLDER.parent / "differences.tsv"


class Row(NamedTuple):
    """A line of differences.tsv; values as Python spells them."""

    story: str
    step: str
    path: str
    here: str
    recorded: str

    def __str__(self) -> str:
        return "\t".join(self)


def listed(theme: str, only: str = "") -> set[Row]:
    """The differences that a theme's stories are to have, of those whose name contains `only`."""
    rows = [Row(*line.split("\t")) for line in LISTED.read_text().split("\n") if line]
    return {row for row in rows if row.story.startswith(f"{theme}.") and only in row.story.partition(".")[2]}


def replay(theme: Theme, addresses: dict[int, tuple[str, int]], recorded: list[Scene], only: str = "") -> list[Row]:
    """Play a theme to these brokers: every difference to the record."""
    before = {scene.name: scene for scene in recorded}
    found = []
    for scene in theme.play(addresses, only):
        old = before.get(scene.name, Scene(scene.name, ""))
        for step, (path, said_before, said) in compared(old, scene):
            found.append(Row(f"{theme.name}.{scene.name}", step, path, repr(said), repr(said_before)))
    return found


def compared(recorded: Scene, played: Scene) -> Iterator[tuple[str, Difference]]:
    """(step, difference), each side with names of its own for what it was handed out.

    Where the questions differ the stories went different ways, and no later step is compared.
    """
    old_names, new_names = Names(), Names()
    for number, (old, new) in enumerate(zip(recorded.steps, played.steps, strict=False), 1):
        step = f"{number} {new.what}"
        if (old.who, old.what) != (new.who, new.what):
            yield step, Difference("(asked)", f"{old.who} {old.what}", f"{new.who} {new.what}")
            return
        old_asked, old_answered = files.exchange(old, old_names.canonical)
        new_asked, new_answered = files.exchange(new, new_names.canonical)
        asked = [each._replace(path=f"(asked) {each.path}") for each in differences(old_asked, new_asked)]
        yield from ((step, each) for each in chain(asked, answers(old, old_answered, new_answered)))
        if asked:
            return
    if played.broken or len(recorded.steps) != len(played.steps):
        end = f"{len(recorded.steps)} steps"
        kind, _, text = played.broken.partition(":")
        print(f"{played.name}: {text}", file=sys.stderr)
        yield "end", Difference("", end, f"{len(played.steps)} steps{', ' if kind else ''}{kind}")


def answers(step: Step, recorded: Any, played: Any) -> Iterator[Difference]:
    """Where two answers part."""
    if isinstance(recorded, dict) and isinstance(played, dict) and step.what.split()[-2] == "ApiVersions":
        recorded, played = offers(recorded), offers(played)
    return differences(recorded, played)


def offers(answer: dict[str, Any]) -> dict[str, Any]:
    """ApiVersions without what each server decides for itself: its ranges, and its features.

    What stays comparable is that the APIs are there at all which both offer; tests of the table compare the ranges.
    """
    offered = {key for key, api in APIS.items() if api.offered.last != -1}
    kept = {key: value for key, value in answer.items() if key not in FEATURES}
    rows = answer["api_keys"]
    if len(rows) > 1:
        kept["api_keys"] = [row["api_key"] for row in rows if row["api_key"] in offered]
    assert API_VERSIONS in offered
    return kept


FEATURES = {"supported_features", "finalized_features", "finalized_features_epoch", "zk_migration_ready"}


def main() -> None:
    arguments = [word for word in sys.argv[1:] if word != "--apache"]
    apache = "--apache" in sys.argv
    cluster = kafka_cluster if apache else mini_kafka_cluster
    wrong = 0
    for wanted in arguments or THEMES:
        name, _, only = wanted.partition(".")
        theme = THEMES[name]
        with cluster(theme.brokers, *theme.overrides) as kafka:
            addresses = {node.node_id: ("127.0.0.1", node.port) for node in kafka.nodes}
            found = replay(theme, addresses, files.read(files.FOLDER / f"{name}.txt"), only)
        known = set() if apache else listed(name, only)
        new, gone = [row for row in found if row not in known], sorted(known - set(found))
        wrong += len(new) + len(gone)
        print(*new, *(f"listed, but not so: {row}" for row in gone), sep="\n", end="\n" * bool(new or gone))
        print(f"{name}: {len(found)} differences, {len(known)} listed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

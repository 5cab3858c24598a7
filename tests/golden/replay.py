"""The same stories told to another server, and where its answers differ.

python -m tests.golden.replay --apache [theme[.story] ...]    before Apache Kafka: it must agree with its record
python -m tests.golden.replay [theme[.story] ...]             before ours
"""

import sys
from typing import Any

from lab.kafka_peers import kafka_cluster, mini_kafka_cluster
from minikafka.wire.apis import API_VERSIONS, APIS
from tests.golden import files
from tests.golden.canonical import Names, differences
from tests.golden.play import Scene, Step, Theme
from tests.golden.stories import THEMES


def replay(theme: Theme, addresses: dict[int, tuple[str, int]], recorded: list[Scene], only: str = "") -> list[str]:
    """Play a theme to these brokers; each difference to the record is a line, so all is well if there is none."""
    before = {scene.name: scene for scene in recorded}
    found = []
    for scene in theme.play(addresses, only):
        old = before.get(scene.name)
        if old is None:
            found.append(f"{theme.name}.{scene.name}: not recorded; `make record-kafka`")
            continue
        found += [f"{theme.name}.{scene.name}: {line}" for line in compared(old, scene)]
    return found


def compared(recorded: Scene, played: Scene) -> list[str]:
    """Step by step, each side with names of its own for what it was handed out."""
    old_names, new_names, found = Names(), Names(), []
    for number, (old, new) in enumerate(zip(recorded.steps, played.steps, strict=False), 1):
        where = f"step {number}, {new.who} {new.what}: "
        if (old.who, old.what) != (new.who, new.what):
            return [*found, f"{where}recorded {old.who} {old.what}; `make record-kafka`"]
        old_asked, old_answered = files.exchange(old, old_names.canonical)
        new_asked, new_answered = files.exchange(new, new_names.canonical)
        if lines := differences(old_asked, new_asked, "asked"):
            return [*found, *(where + line for line in lines)]
        found += [where + line for line in answers(old, old_answered, new_answered)]
    if played.broken:
        found.append(f"after step {len(played.steps)}: {played.broken}")
    elif len(recorded.steps) != len(played.steps):
        found.append(f"{len(played.steps)} steps, recorded {len(recorded.steps)}; `make record-kafka`")
    return found


def answers(step: Step, recorded: Any, played: Any) -> list[str]:
    """Differences between two answers, but for what we decided to have otherwise."""
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
    cluster = kafka_cluster if "--apache" in sys.argv else mini_kafka_cluster
    count = 0
    for wanted in arguments or THEMES:
        name, _, only = wanted.partition(".")
        theme = THEMES[name]
        with cluster(theme.brokers, *theme.overrides) as kafka:
            addresses = {node.node_id: ("127.0.0.1", node.port) for node in kafka.nodes}
            found = replay(theme, addresses, files.read(files.FOLDER / f"{name}.txt"), only)
        count += len(found)
        print(*found, f"{name}: {len(found)} differences", sep="\n")
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()

"""The first half of `make record-kafka`: what Apache Kafka's jars say of messages, records, errors and settings.

lab/kafka/Describe.java reads them; here they get a heading, and the table of offered versions is taken from the recorded
answer to ApiVersions.
"""

from lab.child import ROOT
from lab.kafka_peers import tool
from tests.golden.files import FOLDER, read, reply

HEADINGS = {
    "schemas.txt": (
        "Every field of every message of Apache Kafka 4.1.1, from its jars: a block for each run of versions that has\n"
        "the same fields.  compact_ is said of the newer layout, whose structs all end in tagged fields (tag N).\n"
    ),
    "records.txt": (
        "Every record that Apache Kafka 4.1.1 writes for itself, from its jars: the metadata log, coordinators, consumers,\n"
        "control batches.  type: the number in the record's frame, or in the first two bytes of its key.\n"
    ),
}


def main() -> None:
    tool(str(ROOT / "lab" / "kafka" / "Describe.java"), str(FOLDER))
    for name, heading in HEADINGS.items():
        path = FOLDER / name
        path.write_text(f"{heading}\n{path.read_text()}")
    asked = next(scene for scene in read(FOLDER / "versions.txt") if scene.name == "what_do_you_speak_4").steps[0]
    answer = reply(asked)
    assert answer is not None
    names = dict(line.split(" ")[1:3] for line in (FOLDER / "schemas.txt").read_text().split("\n") if line[:2] == "# ")
    rows = [(row.api_key, names[str(row.api_key)], row.min_version, row.max_version) for row in answer[0].api_keys]  # type: ignore[attr-defined]
    table = ["key\tname\tmin\tmax", *("\t".join(map(str, row)) for row in sorted(rows))]
    (FOLDER / "api-versions.tsv").write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()

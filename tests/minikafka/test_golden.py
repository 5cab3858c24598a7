"""What Apache Kafka answered, byte for byte, held against our codec, against kio's, and against our own broker.

The golden files are made by `make record-kafka`; neither Java nor Apache Kafka is needed here.
"""

import pytest
from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader

from lab.kafka_peers import mini_kafka_cluster
from minikafka.wire.apis import BY_NAME
from minikafka.wire.compile import encode
from minikafka.wire.frame import request_header, response_header
from tests.golden import files
from tests.golden.play import Step, answer_version
from tests.golden.replay import LISTED, listed, replay
from tests.golden.stories import THEMES

RECORDED = {name: files.read(files.FOLDER / f"{name}.txt") for name in THEMES}


def steps(theme: str) -> list[Step]:
    return [step for scene in RECORDED[theme] for step in scene.steps]


@pytest.mark.parametrize("theme", THEMES)
def test_a_golden_file_says_in_words_what_its_bytes_say(theme):
    path = files.FOLDER / f"{theme}.txt"
    assert "\n".join(files.lines(THEMES[theme].text, RECORDED[theme])) + "\n" == path.read_text()


@pytest.mark.parametrize("theme", THEMES)
def test_every_recorded_message_decoded_and_encoded_again_is_the_same_bytes(theme):
    for step in steps(theme):
        if asked := files.question(step):
            position = request_header(step.request).position
            assert encode(*asked) == step.request[position:], step.what
        if answered := files.reply(step):
            name, version = step.what.split()[-2:]
            _, position = response_header(step.answer, BY_NAME[name], int(version))
            assert encode(*answered) == step.answer[position:], step.what


@pytest.mark.parametrize("theme", THEMES)
def test_kio_reads_each_recorded_message_to_its_end(theme):
    for step in steps(theme):
        name, version = step.what.split()[-2:]
        api = BY_NAME[name]
        if not step.what.startswith("("):
            header = request_header(step.request)
            schema = load_request_schema(api.key, header.api_version)
            assert read_by_kio(schema, step.request, header.position) == len(step.request), step.what
        if step.answer is not None:
            _, position = response_header(step.answer, api, int(version))
            schema = load_response_schema(api.key, answer_version(api, int(version), step.answer))
            assert read_by_kio(schema, step.answer, position) == len(step.answer), step.what


def read_by_kio(schema, data: bytes, position: int) -> int:
    """Where the message ends."""
    _, size = entity_reader(schema)(memoryview(data)[position:].toreadonly(), 0)
    return position + size


@pytest.mark.parametrize("theme", THEMES)
def test_our_broker_answers_as_apache_kafka_did_but_for_the_listed_differences(theme):
    story = THEMES[theme]
    with mini_kafka_cluster(story.brokers, *story.overrides) as kafka:
        addresses = {node.node_id: ("127.0.0.1", node.port) for node in kafka.nodes}
        found = replay(story, addresses, RECORDED[theme])
    assert sorted(map(str, found)) == sorted(map(str, listed(theme)))


def test_every_listed_difference_is_of_a_step_there_is():
    steps = {
        (f"{theme}.{scene.name}", f"{number} {step.what}")
        for theme in THEMES
        for scene in RECORDED[theme]
        for number, step in enumerate(scene.steps, 1)
    }
    stories = {story for story, _ in steps}
    rows = [row for theme in THEMES for row in listed(theme)]
    assert len(rows) == sum(bool(line) for line in LISTED.read_text().split("\n"))
    assert [
        row for row in rows if (row.story, row.step) not in steps and not (row.step == "end" and row.story in stories)
    ] == []

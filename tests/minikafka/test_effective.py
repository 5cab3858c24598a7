"""Where a setting's value comes from, and what DescribeConfigs tells of it: asked of Apache Kafka 4.1.1."""

import pytest

from minikafka.controller.image import MetadataImage, ResourceType
from minikafka.effective import Effective, Said
from minikafka.group_options import GROUP_OPTIONS
from minikafka.options import OPTIONS, defaults
from minikafka.topic_options import TOPIC_OPTIONS, Source
from serving.config import Given

TOPIC, BROKER, GROUP = ResourceType.TOPIC, ResourceType.BROKER, ResourceType.GROUP
OWN, ME, ALL, FILE, DEFAULT = Source.TOPIC, Source.BROKER, Source.ALL_BROKERS, Source.FILE, Source.DEFAULT
DAY_MS = 86_400_000


def effective(*dynamic, **file):
    """As broker 1 sees it.  `dynamic`: (type, resource, name, value); `file`: properties with `_` for `.`."""
    image = MetadataImage()
    for type, resource, name, value in dynamic:
        image.configs.setdefault((type, resource), {})[name] = value
    settings = OPTIONS.load([Given(name.replace("_", "."), [value], "") for name, value in file.items()])
    return Effective(image, 1, settings)


LAYERS = [
    ((TOPIC, "t", "retention.ms", "1"), Said("retention.ms", "1", OWN)),
    ((BROKER, "1", "log.retention.ms", "2"), Said("log.retention.ms", "2", ME)),
    ((BROKER, "", "log.retention.ms", "3"), Said("log.retention.ms", "3", ALL)),
]


@pytest.mark.parametrize("first", range(4))
def test_the_topics_own_goes_before_this_brokers_before_all_brokers_before_the_file(first):
    seen = effective(*[said for said, _ in LAYERS[first:]], log_retention_ms="4")
    holds = [holds for _, holds in LAYERS[first:]] + [Said("log.retention.ms", "4", FILE)]
    option = TOPIC_OPTIONS.options["retention.ms"]
    assert seen.of_topic("t", option) == holds[0]
    assert seen.told_of_topic("t", option) == [*holds, Said("log.retention.hours", "168", DEFAULT)]
    assert seen.topic_value("t", "retention.ms") == int(holds[0].value)


def test_settings_of_others_are_others():
    seen = effective((TOPIC, "u", "retention.ms", "1"), (BROKER, "2", "log.retention.ms", "2"))
    assert seen.of_topic("t", TOPIC_OPTIONS.options["retention.ms"]) == Said("retention.ms", str(7 * DAY_MS), DEFAULT)


@pytest.mark.parametrize(
    "file, value",
    [
        ({}, 7 * DAY_MS),
        ({"log_retention_hours": "24"}, DAY_MS),
        ({"log_retention_hours": "24", "log_retention_minutes": "2"}, 120_000),
        ({"log_retention_hours": "24", "log_retention_minutes": "2", "log_retention_ms": "5"}, 5),
        ({"log_retention_hours": "-1"}, -1),
        ({"log_retention_minutes": "-1", "log_retention_ms": ""}, -1),
    ],
)
def test_the_smaller_unit_goes_first_and_less_than_nothing_is_no_limit(file, value):
    assert effective(**file).topic_value("t", "retention.ms") == value


def test_a_retention_in_hours_holds_and_is_told_without_whence():
    seen = effective(log_retention_hours="24")
    option = TOPIC_OPTIONS.options["retention.ms"]
    assert seen.of_topic("t", option) == Said("log.retention.hours", str(DAY_MS), FILE)
    assert seen.told_of_topic("t", option) == []
    assert seen.told_of_broker("log.retention.hours") == [
        Said("log.retention.hours", "24", FILE),
        Said("log.retention.hours", "168", DEFAULT),
    ]


def test_a_setting_that_follows_none_has_a_default_nobody_is_said_to_have_said():
    option = TOPIC_OPTIONS.options["leader.replication.throttled.replicas"]
    seen = effective()
    assert (seen.of_topic("t", option).value, seen.told_of_topic("t", option)) == ("", [])


def test_a_brokers_setting_is_told_with_its_default_and_null_without_one():
    seen = effective((BROKER, "1", "log.cleaner.threads", "2"))
    assert seen.told_of_broker("log.cleaner.threads") == [
        Said("log.cleaner.threads", "2", ME),
        Said("log.cleaner.threads", "1", DEFAULT),
    ]
    assert (seen.of_broker("log.cleaner.threads"), seen.of_broker("broker.rack")) == ("2", None)
    assert seen.told_of_broker("node.id") == [Said("node.id", "1", FILE)]


def test_a_brokers_value_has_its_type():
    name = "producer.id.expiration.ms"
    assert effective().broker_value(name) == DAY_MS
    assert effective((BROKER, "", name, "5"), producer_id_expiration_ms="7").broker_value(name) == 5
    assert effective(producer_id_expiration_ms="7").broker_value(name) == 7


def test_a_groups_own_setting_stands_alone_and_a_brokers_is_its_default():
    session = GROUP_OPTIONS.options["consumer.session.timeout.ms"]
    name = session.name
    assert effective().of_group("g", session) == Said(name, "45000", DEFAULT)
    assert effective(group_consumer_session_timeout_ms="7").of_group("g", session) == Said(name, "7", DEFAULT)
    assert effective((GROUP, "g", name, "8")).of_group("g", session) == Said(name, "8", Source.GROUP)


def test_what_was_set_while_running_is_known_by_who_it_is_of():
    seen = effective((BROKER, "", "a", "1"), (BROKER, "", "b", "1"), (BROKER, "1", "b", "2"), (BROKER, "2", "c", "3"))
    assert seen.set_while_running("1") == {"a": ALL, "b": ME}
    assert seen.set_while_running("") == {"a": ALL, "b": ALL}


def test_defaults_of_topics_are_those_of_the_brokers_settings_they_follow():
    of_brokers = defaults(OPTIONS)
    for option in TOPIC_OPTIONS.options.values():
        followed = [each.converted(of_brokers[each.name]) for each in option.follows if each.name in of_brokers]
        if followed:
            assert (option.name, followed[0]) == (option.name, option.default)

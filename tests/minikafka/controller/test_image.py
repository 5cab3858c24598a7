"""The image follows the log, and can be told again as a shorter one."""

from minikafka.controller.image import Broker, Delta, Endpoint, Feature, MetadataImage, Partition, Topic
from minikafka.records.metadata import (
    BrokerRegistrationChangeRecord,
    ClusterIdRecord,
    ConfigRecord,
    FeatureLevelRecord,
    FenceBrokerRecord,
    PartitionChangeRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    RemoveTopicRecord,
    TopicRecord,
    UnfenceBrokerRecord,
)
from minikafka.records.metadata_entries import decode_records, encode_records

ID = b"T" * 16
A_PARTITION = PartitionRecord(
    partition_id=0,
    topic_id=ID,
    replicas=[1, 2],
    isr=[1, 2],
    leader=1,
    leader_epoch=3,
    partition_epoch=4,
    directories=[b"a" * 16, b"b" * 16],
)
THE_PARTITION = Partition(
    replicas=(1, 2), directories=(b"a" * 16, b"b" * 16), isr=(1, 2), leader=1, leader_epoch=3, partition_epoch=4
)


def applied(*records):
    image = MetadataImage()
    delta = image.apply(list(records), 7, 2)
    return image, delta


def test_a_topic_and_what_the_delta_says_of_it():
    image, delta = applied(TopicRecord(name="t", topic_id=ID), A_PARTITION)
    assert image == MetadataImage(offset=7, epoch=2, topics={ID: Topic("t", ID, [THE_PARTITION])}, topic_ids={"t": ID})
    assert delta == Delta(partitions={(ID, 0): None}, created=[ID])


def test_a_change_names_what_was_before_the_whole_batch():
    image, _ = applied(TopicRecord(name="t", topic_id=ID), A_PARTITION)
    change = PartitionChangeRecord(partition_id=0, topic_id=ID, isr=[1])
    delta = image.apply([change, change], 8, 2)
    assert delta == Delta(partitions={(ID, 0): THE_PARTITION})
    assert image.partition(ID, 0).partition_epoch == 6


def test_naming_the_same_leader_raises_its_epoch():
    image, _ = applied(TopicRecord(name="t", topic_id=ID), A_PARTITION)
    image.apply([PartitionChangeRecord(partition_id=0, topic_id=ID, leader=1)], 8, 2)
    after = image.partition(ID, 0)
    assert (after.leader, after.leader_epoch, after.partition_epoch) == (1, 4, 5)


def test_a_topic_that_comes_and_goes_in_a_batch_was_never_there():
    image, delta = applied(TopicRecord(name="t", topic_id=ID), A_PARTITION, RemoveTopicRecord(topic_id=ID))
    assert (image, delta) == (MetadataImage(offset=7, epoch=2), Delta())
    assert not delta


def test_a_deleted_topic_is_told_as_it_was():
    image, _ = applied(
        TopicRecord(name="t", topic_id=ID),
        A_PARTITION,
        ConfigRecord(resource_type=2, resource_name="t", name="retention.ms", value="5"),
    )
    delta = image.apply([RemoveTopicRecord(topic_id=ID)], 8, 2)
    assert delta == Delta(deleted={ID: Topic("t", ID, [THE_PARTITION])})
    assert image == MetadataImage(offset=8, epoch=2)


def test_a_registration_stands_at_its_offset_and_keeps_it_in_a_snapshot():
    image, delta = applied(RegisterBrokerRecord(broker_id=1, incarnation_id=b"i" * 16, broker_epoch=-1))
    assert image.brokers == {1: Broker(id=1, epoch=7, incarnation_id=b"i" * 16)}
    assert delta == Delta(brokers={1: None})
    assert MetadataImage().apply(image.records(), 99, 3).brokers == {1: None}
    later = MetadataImage()
    later.apply(image.records(), 99, 3)
    assert later.brokers == image.brokers


def test_changes_of_a_registration():
    image, _ = applied(RegisterBrokerRecord(broker_id=1, incarnation_id=b"i" * 16, broker_epoch=-1))
    before = image.brokers[1]
    delta = image.apply(
        [
            BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=7, fenced=-1),
            BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=7, in_controlled_shutdown=1, log_dirs=[b"d" * 16]),
        ],
        8,
        2,
    )
    assert image.brokers[1] == Broker(
        id=1,
        epoch=7,
        incarnation_id=b"i" * 16,
        fenced=False,
        in_controlled_shutdown=True,
        directories=(b"d" * 16,),
    )
    assert delta == Delta(brokers={1: before})


def test_the_older_records_of_fencing_are_understood():
    image, _ = applied(RegisterBrokerRecord(broker_id=1, broker_epoch=-1), UnfenceBrokerRecord(id=1, epoch=7))
    assert not image.brokers[1].fenced
    image.apply([FenceBrokerRecord(id=1, epoch=7)], 8, 2)
    assert image.brokers[1].fenced


def test_settings_are_set_and_unset():
    image, delta = applied(
        ConfigRecord(resource_type=4, resource_name="", name="a", value="1"),
        ConfigRecord(resource_type=4, resource_name="", name="b", value=""),
    )
    assert delta == Delta(configs={(4, "")})
    assert image.configs[4, ""]["b"] == ""
    for name in ("a", "b"):
        image.apply([ConfigRecord(resource_type=4, resource_name="", name=name, value=None)], 8, 2)
    assert image == MetadataImage(offset=8, epoch=2)


def test_everything_survives_a_snapshot():
    image, _ = applied(
        ClusterIdRecord(cluster_id="c"),
        FeatureLevelRecord(name="metadata.version", feature_level=27),
        RegisterBrokerRecord(
            broker_id=1,
            incarnation_id=b"i" * 16,
            broker_epoch=-1,
            end_points=[RegisterBrokerRecord.EndPoint(name="PLAINTEXT", host="h", port=9092, security_protocol=0)],
            features=[
                RegisterBrokerRecord.Feature(name="metadata.version", min_supported_version=7, max_supported_version=27)
            ],
            rack="r",
            fenced=False,
            in_controlled_shutdown=True,
            log_dirs=[b"d" * 16],
        ),
        TopicRecord(name="t", topic_id=ID),
        A_PARTITION,
        PartitionRecord(
            partition_id=1,
            topic_id=ID,
            replicas=[3, 1, 2],
            isr=[],
            leader=-1,
            leader_epoch=9,
            partition_epoch=12,
            directories=[b"a" * 16] * 3,
            leader_recovery_state=1,
            eligible_leader_replicas=[1, 2],
            last_known_elr=[1],
            removing_replicas=[3],
            adding_replicas=[2],
        ),
        ConfigRecord(resource_type=2, resource_name="t", name="retention.ms", value="5"),
        ProducerIdsRecord(broker_id=1, broker_epoch=7, next_producer_id=3000),
    )
    assert image.brokers[1].endpoint("PLAINTEXT") == Endpoint("PLAINTEXT", "h", 9092, 0)
    assert image.brokers[1].features == (Feature("metadata.version", 7, 27),)
    again = MetadataImage()
    again.apply(decode_records(encode_records(image.records())), image.offset, image.epoch)
    assert again == image


def test_a_copy_goes_its_own_way():
    image, _ = applied(TopicRecord(name="t", topic_id=ID), A_PARTITION)
    copy = image.copy()
    assert copy == image
    copy.apply([PartitionChangeRecord(partition_id=0, topic_id=ID, isr=[1])], 8, 2)
    assert image.partition(ID, 0) == THE_PARTITION

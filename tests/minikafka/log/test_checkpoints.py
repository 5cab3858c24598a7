import pytest

from minikafka.log import checkpoints
from minikafka.log.checkpoints import BadCheckpoint
from tests.minikafka.log.fixtures import TOPIC_ID, disk


def written(content: bytes, path: str = "file"):
    on = disk()
    on.open(path, "w").append(content)
    return on


def test_offsets_are_kept_as_kafka_keeps_them():
    on = disk()
    checkpoints.write_offsets(on, "file", {("topic", 0): 5, ("with-dash", 12): 1 << 40})
    assert on.read("file") == b"0\n2\ntopic 0 5\nwith-dash 12 1099511627776\n"
    assert checkpoints.read_offsets(on, "file") == {("topic", 0): 5, ("with-dash", 12): 1 << 40}


def test_no_file_is_no_offsets():
    assert checkpoints.read_offsets(disk(), "file") == {}


@pytest.mark.parametrize("content", [b"1\n0\n", b"0\n2\na 0 1\n", b"0\n1\na 0\n", b"0\n1\na x 1\n", b"\0\0\0", b"0"])
def test_a_damaged_checkpoint_says_so(content):
    with pytest.raises(BadCheckpoint, match="file"):
        checkpoints.read_offsets(written(content), "file")


def test_the_mark_of_a_clean_stop_is_taken_once():
    on = disk()
    on.mkdir("data")
    checkpoints.mark_clean_shutdown(on, "data", 1684)
    assert on.read("data/.kafka_cleanshutdown") == b'{"version":0,"brokerEpoch":1684}'
    assert checkpoints.take_clean_shutdown(on, "data") == 1684
    on.power_loss()
    assert checkpoints.take_clean_shutdown(on, "data") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]"])
def test_a_mark_without_an_epoch_is_a_mark(content):
    assert checkpoints.take_clean_shutdown(written(content, ".kafka_cleanshutdown"), ".") == -1


def test_meta_properties_come_back():
    on = disk()
    on.mkdir("data")
    properties = {"version": "1", "cluster.id": "bWluaQ", "node.id": "1", "directory.id": "ytXykfhHr02PCArpC9-uyw"}
    checkpoints.write_meta_properties(on, "data", properties)
    assert checkpoints.read_meta_properties(on, "data") == properties
    assert checkpoints.read_meta_properties(on, ".") is None


def test_a_torn_topic_id_is_none():
    on = disk()
    checkpoints.write_partition_metadata(on, "file", TOPIC_ID)
    content = on.read("file")
    assert checkpoints.read_partition_metadata(on, "file") == TOPIC_ID
    for cut in range(len(content) - 1):
        with pytest.raises(ValueError):
            checkpoints.read_partition_metadata(written(content[:cut]), "file")


def test_a_long_name_is_cut_for_the_folder_on_its_way_out():
    gone = checkpoints.deleted_folder("data/" + "t" * 249 + "-0", bytes(16))
    assert (gone.startswith("data/ttt"), gone.endswith("." + "0" * 32 + "-delete")) == (True, True)
    assert len(gone.removeprefix("data/")) == 255

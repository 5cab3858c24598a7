"""What `show` prints is what runs."""

import pytest

from minikafka.wire.show import show
from minikafka.wire.types import WireError


def test_a_message_shows_the_function_that_reads_it():
    assert show("HeartbeatResponse", 1).split("\n\n")[:2] == [
        "# HeartbeatResponse, version 1",
        "def decode(data, position):\n"
        "    try:\n"
        "        heartbeat_response = new(HeartbeatResponse)\n"
        "        heartbeat_response.throttle_time_ms, heartbeat_response.error_code = unpack_ih(data, position)\n"
        "        position += 6\n"
        "    except malformed as error:\n"
        '        raise WireError("HeartbeatResponse v1: cut short") from error\n'
        "    if position > len(data):\n"
        '        raise WireError("HeartbeatResponse v1: a length reaches beyond the end")\n'
        "    return heartbeat_response, position",
    ]


def test_a_message_shows_the_function_that_writes_it():
    assert show("HeartbeatResponse", 4).split("\n\n")[2] == (
        "def encode(heartbeat_response):\n"
        "    out = []\n"
        "    push = out.append\n"
        "    push(pack_ihx(heartbeat_response.throttle_time_ms, heartbeat_response.error_code))\n"
        "    return join(out)"
    )


def test_an_api_is_found_by_name_and_by_key():
    assert show("Produce", 9) == show(0, 9) == show("0", 9) == show("produce", 9)
    assert "# ProduceRequest, version 9" in show(0, 9)
    assert "# ProduceResponse, version 9" in show(0, 9)


@pytest.mark.parametrize(("name", "version"), [("Produce", 99), ("Prodigy", 0), (999, 0)])
def test_what_is_not_declared_cannot_be_shown(name, version):
    with pytest.raises(WireError):
        show(name, version)

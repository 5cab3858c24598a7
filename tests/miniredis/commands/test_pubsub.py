"""SUBSCRIBE and its family, PUBLISH, PUBSUB."""

import pytest

from tests.miniredis.engine_fixtures import Redis


def test_each_channel_is_confirmed_with_the_count_so_far():
    redis = Redis()
    assert redis("SUBSCRIBE", "a", "b", "a") == (
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n"
    )
    assert redis("PSUBSCRIBE", "p*") == b"*3\r\n$10\r\npsubscribe\r\n$2\r\np*\r\n:3\r\n"
    assert redis("SSUBSCRIBE", "s") == b"*3\r\n$10\r\nssubscribe\r\n$1\r\ns\r\n:1\r\n"


def test_who_listens_to_nothing_is_told_about_nothing():
    redis = Redis()
    assert redis("UNSUBSCRIBE") == b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
    redis("HELLO", 3)
    assert redis("PUNSUBSCRIBE") == b">3\r\n$12\r\npunsubscribe\r\n_\r\n:0\r\n"


def test_a_message_reaches_channels_and_patterns():
    redis = Redis()
    listener = redis.connect()
    redis("SUBSCRIBE", "news", client=listener)
    redis("PSUBSCRIBE", "n*", client=listener)
    assert redis("PUBLISH", "news", "hi") == b":2\r\n"
    assert redis.said(listener) == (
        b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$2\r\nhi\r\n"
    )


def test_shard_channels_are_a_world_of_their_own():
    redis = Redis()
    listener = redis.connect()
    redis("SSUBSCRIBE", "c", client=listener)
    assert (redis("PUBLISH", "c", "x"), redis("SPUBLISH", "c", "y")) == (b":0\r\n", b":1\r\n")
    assert redis.said(listener) == b"*3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\ny\r\n"


def test_a_resp2_subscriber_may_say_little_else():
    redis = Redis()
    redis("SUBSCRIBE", "c")
    assert redis("GET", "k") == (
        b"-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        b"context\r\n"
    )
    redis("UNSUBSCRIBE", "c")
    assert redis("GET", "k") == b"$-1\r\n"


def test_a_resp3_subscriber_goes_on_and_gets_its_own_message_behind_the_reply():
    redis = Redis()
    redis("HELLO", 3)
    redis("SUBSCRIBE", "c")
    assert redis("GET", "k") == b"_\r\n"
    assert redis("PUBLISH", "c", "x") == b":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n"


def test_pubsub_tells_who_listens():
    redis = Redis()
    listener = redis.connect()
    for line in ("SUBSCRIBE a ab", "PSUBSCRIBE x* y*", "SSUBSCRIBE s"):
        redis(*line.split(), client=listener)
    assert redis("PUBSUB", "CHANNELS") == b"*2\r\n$1\r\na\r\n$2\r\nab\r\n"
    assert redis("PUBSUB", "CHANNELS", "?") == b"*1\r\n$1\r\na\r\n"
    assert redis("PUBSUB", "NUMSUB", "a", "z") == b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nz\r\n:0\r\n"
    assert redis("PUBSUB", "NUMPAT") == b":2\r\n"
    assert redis("PUBSUB", "SHARDCHANNELS") == b"*1\r\n$1\r\ns\r\n"
    assert redis("PUBSUB", "SHARDNUMSUB", "s") == b"*2\r\n$1\r\ns\r\n:1\r\n"
    assert redis("PUBSUB", "Channels", "a", "b") == (
        b"-ERR unknown subcommand or wrong number of arguments for 'Channels'. Try PUBSUB HELP.\r\n"
    )


@pytest.mark.parametrize("command", ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
def test_a_client_that_is_gone_listens_no_more(command):
    redis = Redis()
    gone = redis.connect()
    redis(command, "c", client=gone)
    gone.end()
    pubsub = redis.engine.pubsub
    assert (pubsub.channels, pubsub.patterns, pubsub.shard_channels) == ({}, {}, {})

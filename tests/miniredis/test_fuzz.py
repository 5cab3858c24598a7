"""Whatever comes in: an answer or a closed connection, never a fault of ours, never memory without bound."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miniredis.command import COMMANDS
from miniredis.wire.requests import LINE_MAX, RequestReader
from tests.miniredis.engine_fixtures import Redis

LEFT_OUT = {"debug", "monitor", "shutdown", "pfselftest"}  # they stop, or test, the server by right
NAMES = sorted(
    {row.usage.split()[0].encode() for row in COMMANDS.values() if row.usage} - {n.upper().encode() for n in LEFT_OUT}
)
SUBCOMMANDS = sorted({name for row in COMMANDS.values() for name in row.subcommands})
KEYS = [b"k0", b"k1", b"k2"]
WORDS = st.one_of(
    st.sampled_from(KEYS),
    st.sampled_from(SUBCOMMANDS),
    st.sampled_from([b"0", b"1", b"-1", b"2", b"100", b"1.5", b"inf", b"nan", b"-inf", b"(1", b"[a", b"+", b"-", b"*", b""]),
    st.sampled_from([b"NX", b"XX", b"GET", b"COUNT", b"LIMIT", b"BY", b"STORE", b"WITHSCORES", b"LEFT", b"MATCH", b"EX",
                     b"BYSCORE", b"FROMLONLAT", b"BYRADIUS", b"m", b"u8", b"SET", b"INCRBY", b"#1", b"AND", b"REPLACE",
                     b"WEIGHTS", b"AGGREGATE", b"MAX", b"MIN", b"PERSIST", b"return redis.call(KEYS[1])"]),
    st.binary(max_size=12),
)  # fmt: skip
REQUESTS = st.lists(st.tuples(st.sampled_from(NAMES), st.lists(WORDS, max_size=6)), min_size=1, max_size=25)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REQUESTS)
def test_any_words_get_an_answer_and_no_fault(requests):
    redis = Redis()
    other = redis.connect()
    for name, words in requests:
        redis.client.run([[name, *words]])
        redis.turn()
    assert redis.engine.stats.unexpected_errors == 0, (requests, redis.said(redis.client)[-300:])
    assert redis("ECHO", "alive", client=other).endswith(b"$5\r\nalive\r\n") or redis.engine.pause.what is not None


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes_are_requests_or_a_protocol_error(pieces):
    redis, reader = Redis(), RequestReader()
    for piece in pieces:
        redis.client.run(reader.receive(piece))
        redis.turn()
    assert redis.engine.stats.unexpected_errors == 0
    assert reader.buffered <= sum(map(len, pieces))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b"*", b"$", b"\r\n", b"1", b"-1", b"3", b"GET", b"99999999999", b"k", b" ", b'"', b"\0"]))
)
def test_bytes_that_almost_are_a_request(pieces):
    reader = RequestReader()
    for piece in pieces:
        reader.receive(piece)
    assert reader.error is not None or reader.buffered <= LINE_MAX

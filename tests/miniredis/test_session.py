"""One client: the order of its replies, the questions asked before a command, and what ends it."""

from tests.miniredis.engine_fixtures import Redis


def test_a_pipeline_is_answered_in_order():
    redis = Redis()
    redis.client.run([[b"SET", b"k", b"1"], [b"INCR", b"k"], [b"GET", b"k"], [b"NOSUCH"], [b"GET"]])
    assert redis.said(redis.client) == (
        b"+OK\r\n:2\r\n$1\r\n2\r\n"
        b"-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
        b"-ERR wrong number of arguments for 'get' command\r\n"
    )


def test_an_unknown_command_is_shown_with_its_first_128_bytes():
    redis = Redis()
    reply = redis("no\0such", "a" * 200, "b")
    assert reply == b"-ERR unknown command 'no', with args beginning with: '%b' \r\n" % (b"a" * 128)


def test_nothing_is_run_after_quit():
    redis = Redis()
    redis.client.run([[b"QUIT"], [b"SET", b"k", b"1"]])
    assert redis.said(redis.client) == b"+OK\r\n"
    assert redis.client.closing == "QUIT"
    assert redis("EXISTS", "k", client=redis.connect()) == b":0\r\n"


def test_a_stranger_is_asked_for_the_password():
    redis = Redis(requirepass="secret")
    assert redis("GET", "k") == b"-NOAUTH Authentication required.\r\n"


def test_a_fault_of_ours_is_an_error_reply_and_the_server_lives_on(monkeypatch):
    redis = Redis()

    def broken(*_):
        raise KeyError("planted")

    monkeypatch.setattr(redis.engine.databases[0].__class__, "string", broken)
    assert redis("GET", "k") == b"-ERR internal error in 'get' command\r\n"
    assert redis.engine.stats.unexpected_errors == 1
    assert redis("PING") == b"+PONG\r\n"


def test_calls_and_errors_are_counted():
    redis = Redis()
    redis("SET", "k", "x")
    redis("INCR", "k")
    redis("GET")
    counters = redis.engine.stats.commands
    assert (counters["set"].calls, counters["set"].failed) == (1, 0)
    assert (counters["incr"].calls, counters["incr"].failed) == (1, 1)
    assert (counters["get"].calls, counters["get"].rejected) == (0, 1)
    assert redis.engine.stats.errors == {"ERR": 2}


def test_only_changes_are_written_down_and_lasting_times_as_moments():
    redis = Redis()
    redis("GET", "k")
    redis("SET", "k", "v", "EX", 10)
    redis("DEL", "nothing")
    assert redis.written == [[(0, (b"SET", b"k", b"v", b"PXAT", b"1700000010000"))]]

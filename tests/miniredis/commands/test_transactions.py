"""MULTI, EXEC, WATCH: what is queued, what aborts, what is written down."""

from tests.miniredis.engine_fixtures import Redis


def run(redis, *lines, client=None):
    return [redis(*line.split(), client=client) for line in lines]


def test_queued_commands_are_carried_out_together():
    redis = Redis()
    assert run(redis, "MULTI", "SET k 1", "INCR k", "GET k", "EXEC") == [
        b"+OK\r\n",
        *[b"+QUEUED\r\n"] * 3,
        b"*3\r\n+OK\r\n:2\r\n$1\r\n2\r\n",
    ]


def test_what_fails_while_exec_runs_fails_alone():
    redis = Redis()
    assert run(redis, "MULTI", "SET k x", "INCR k", "SET k 2", "EXEC", "GET k")[-2:] == [
        b"*3\r\n+OK\r\n-ERR value is not an integer or out of range\r\n+OK\r\n",
        b"$1\r\n2\r\n",
    ]


def test_what_cannot_be_queued_aborts_the_whole():
    redis = Redis()
    assert run(redis, "MULTI", "SET k 1", "GET", "NOSUCH", "EXEC", "EXISTS k")[-2:] == [
        b"-EXECABORT Transaction discarded because of previous errors.\r\n",
        b":0\r\n",
    ]


def test_an_exec_that_is_refused_says_why_and_ends_the_transaction():
    redis = Redis()
    assert run(redis, "MULTI", "EXEC x", "EXEC") == [
        b"+OK\r\n",
        b"-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n",
        b"-ERR EXEC without MULTI\r\n",
    ]


def test_multi_exec_discard_and_watch_know_their_place():
    redis = Redis()
    assert run(redis, "EXEC", "DISCARD", "MULTI", "MULTI", "WATCH k", "DISCARD") == [
        b"-ERR EXEC without MULTI\r\n",
        b"-ERR DISCARD without MULTI\r\n",
        b"+OK\r\n",
        b"-ERR MULTI calls can not be nested\r\n",
        b"-ERR WATCH inside MULTI is not allowed\r\n",
        b"+OK\r\n",
    ]


def test_a_watched_key_that_another_client_touched_aborts_with_nil():
    redis = Redis()
    other = redis.connect()
    run(redis, "WATCH k", "MULTI", "SET k 1")
    redis("SET", "k", "2", client=other)
    assert run(redis, "EXEC", "GET k") == [b"*-1\r\n", b"$1\r\n2\r\n"]


def test_nil_is_a_null_in_resp3():
    redis = Redis()
    run(redis, "HELLO 3", "WATCH k", "SET k 1", "MULTI")
    assert redis("EXEC") == b"_\r\n"


def test_unwatch_and_exec_forget_what_was_watched():
    redis = Redis()
    assert run(redis, "WATCH k", "SET k 1", "UNWATCH", "MULTI", "EXEC")[-1] == b"*0\r\n"
    run(redis, "WATCH k", "MULTI", "EXEC")
    assert redis.engine.databases[0].watchers == {}


def test_a_key_that_expires_while_watched_aborts_though_nobody_removed_it():
    redis = Redis()
    run(redis, "SET k 1 PX 100", "WATCH k", "MULTI", "PING")
    redis.advance(200)
    assert redis("EXEC") == b"*-1\r\n"


def test_a_key_that_had_expired_before_it_was_watched_may_go():
    redis = Redis()
    redis("SET", "k", "1", "PX", "100")
    redis.advance(200)
    redis("WATCH", "k")
    redis("EXISTS", "k", client=redis.connect())  # removes it
    assert run(redis, "MULTI", "PING", "EXEC")[-1] == b"*1\r\n+PONG\r\n"


def test_flushing_and_swapping_touch_what_was_there():
    redis = Redis()
    other = redis.connect()
    for words in (("FLUSHALL",), ("SWAPDB", "0", "1")):
        run(redis, "SET k 1", "WATCH k", "MULTI")
        redis(*words, client=other)
        assert redis("EXEC") == b"*-1\r\n"
        run(redis, "WATCH nothing", "MULTI")
        redis(*words, client=other)
        assert redis("EXEC") == b"*0\r\n"


def test_a_swap_that_brings_a_watched_key_aborts():
    redis = Redis()
    run(redis, "SELECT 1", "SET k 1", "SELECT 0", "WATCH k", "MULTI")
    redis("SWAPDB", "0", "1", client=redis.connect())
    assert redis("EXEC") == b"*-1\r\n"


def test_nobody_waits_inside_exec():
    redis = Redis()
    assert run(redis, "MULTI", "BZPOPMIN z 0", "WAIT 1 0", "PING", "EXEC")[-1] == b"*3\r\n*-1\r\n:0\r\n+PONG\r\n"


def test_a_transaction_is_written_down_as_one_unit():
    redis = Redis()
    run(redis, "MULTI", "SET a 1", "GET a", "INCR a", "EXEC")
    assert redis.written == [[(0, [b"SET", b"a", b"1"]), (0, [b"INCR", b"a"])]]


def test_subscribing_inside_exec_answers_as_often_as_there_are_channels():
    redis = Redis()
    assert run(redis, "MULTI", "SUBSCRIBE a b", "PING", "EXEC")[-1] == (
        b"*2\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
        b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    )


def test_a_message_to_oneself_comes_behind_the_whole_reply():
    redis = Redis()
    run(redis, "HELLO 3", "SUBSCRIBE c", "MULTI", "PUBLISH c hi", "PING")
    assert redis("EXEC") == b"*2\r\n:1\r\n+PONG\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n"


def test_what_exec_may_do_is_what_its_commands_may():
    redis = Redis()
    run(redis, "MULTI", "SET k 1", "EXISTS k")
    redis.engine.guards.add("disk")
    redis.engine.write_error = "MISCONF broken"
    assert redis("EXEC") == b"-EXECABORT Transaction discarded because of: MISCONF broken\r\n"

"""CLIENT: a client about itself, and an administrator about all of them."""

from tests.miniredis.engine_fixtures import Redis


def fields(line):
    return dict(part.split("=", 1) for part in line.decode().split())


def test_client_list_has_a_line_for_each_with_the_fields_of_7_2():
    redis = Redis()
    redis("CLIENT", "SETNAME", "me")
    redis("CLIENT", "SETINFO", "lib-name", "py")
    redis("CLIENT", "SETINFO", "LIB-VER", "1")
    redis.connect()
    redis.advance(3000)
    reply = redis("CLIENT", "LIST")
    first, second = reply.partition(b"\r\n")[2].strip().split(b"\n")
    assert first == (
        b"id=1 addr=127.0.0.1:50000 laddr=127.0.0.1:6379 fd=-1 name=me age=3 idle=3 flags=N db=0 sub=0 psub=0 ssub=0 "
        b"multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=2000 events=r "
        b"cmd=client|list user=default redir=-1 resp=2 lib-name=py lib-ver=1"
    )
    assert fields(second)["cmd"] == "NULL"


def test_client_info_is_verbatim_in_resp3():
    redis = Redis()
    redis("HELLO", 3)
    assert redis("CLIENT", "INFO").startswith(b"=")


def test_the_flags_tell_what_a_client_is_doing():
    redis = Redis()
    watched, waiting, listening, looking = (redis.connect() for _ in range(4))
    for line in ("WATCH k", "MULTI"):
        redis(*line.split(), client=watched)
    redis("SET", "k", "1")
    redis("BZPOPMIN", "z", "0", client=waiting)
    redis("SUBSCRIBE", "c", client=listening)
    redis("MONITOR", client=looking)
    redis("CLIENT", "NO-EVICT", "on")
    redis("CLIENT", "NO-TOUCH", "on")
    lines = redis("CLIENT", "LIST").partition(b"\r\n")[2].strip().split(b"\n")
    assert [fields(line)["flags"] for line in lines] == ["eT", "xd", "b", "P", "O"]


def test_clients_are_found_by_type_and_by_number():
    redis = Redis()
    redis("SUBSCRIBE", "c", client=redis.connect())
    assert redis("CLIENT", "LIST", "TYPE", "pubsub").count(b"id=2 ") == 1
    assert redis("CLIENT", "LIST", "ID", 2, 99, 1).count(b" laddr=") == 2
    assert redis("CLIENT", "LIST", "TYPE", "foo") == b"-ERR Unknown client type 'foo'\r\n"
    assert redis("CLIENT", "LIST", "ID", "x") == b"-ERR Invalid client ID\r\n"


def test_killing_by_address_or_by_filters():
    redis = Redis()
    victim = redis.connect()
    victim.address = "127.0.0.1:7"
    assert redis("CLIENT", "KILL", "127.0.0.1:8") == b"-ERR No such client\r\n"
    assert redis("CLIENT", "KILL", "127.0.0.1:7") == b"+OK\r\n"
    assert victim.closing == "CLIENT KILL"
    other = redis.connect()
    assert redis("CLIENT", "KILL", "ID", other.id, "TYPE", "pubsub") == b":0\r\n"
    assert redis("CLIENT", "KILL", "ID", other.id, "TYPE", "normal", "LADDR", "127.0.0.1:6379") == b":1\r\n"
    assert redis("CLIENT", "KILL", "ID", redis.client.id) == b":0\r\n"
    assert redis("CLIENT", "KILL", "ID", redis.client.id, "SKIPME", "no") == b":1\r\n"


def test_unblock_ends_the_waiting_with_nothing_or_with_an_error():
    redis = Redis()
    waiting = redis.connect()
    for reason, reply in (((), b"*-1\r\n"), (("ERROR",), b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")):
        redis("BZPOPMIN", "z", "0", client=waiting)
        assert redis("CLIENT", "UNBLOCK", waiting.id, *reason) == b":1\r\n"
        assert redis.said(waiting) == reply
    assert redis("CLIENT", "UNBLOCK", waiting.id) == b":0\r\n"


def test_reply_off_silences_all_but_what_is_pushed():
    redis = Redis()
    redis("HELLO", 3)
    assert redis("CLIENT", "REPLY", "OFF") == b""
    assert redis("SET", "k", "1") == b""
    assert redis("SUBSCRIBE", "c") == b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
    assert redis("CLIENT", "REPLY", "ON") == b"+OK\r\n"


def test_reply_skip_concerns_the_next_command_alone():
    redis = Redis()
    assert [redis(*line.split()) for line in ("CLIENT REPLY SKIP", "SET k 1", "GET k")] == [b"", b"", b"$1\r\n1\r\n"]


def test_a_pause_holds_writes_until_it_is_over_and_then_in_order():
    redis = Redis()
    writer = redis.connect()
    redis("CLIENT", "PAUSE", 100, "WRITE")
    assert redis("SET", "k", "1", client=writer) == b""
    assert redis("GET", "k", client=writer) == b""  # it stands behind the other
    assert redis("GET", "k") == b"$-1\r\n"
    redis.advance(100)
    assert redis.said(writer) == b"+OK\r\n$1\r\n1\r\n"


def test_a_pause_of_all_holds_reads_too_and_can_only_grow():
    redis = Redis()
    reader = redis.connect()
    redis("CLIENT", "PAUSE", 100)
    redis.engine.pause.begin("writes", 50)
    assert redis("GET", "k", client=reader) == b""
    redis.advance(60)
    assert redis.said(reader) == b""
    redis.advance(40)
    assert redis.said(reader) == b"$-1\r\n"


def test_a_client_that_ends_while_held_is_forgotten():
    redis = Redis()
    held = redis.connect()
    redis("CLIENT", "PAUSE", 100, "WRITE")
    redis("SET", "k", "1", client=held)
    held.end()
    redis("CLIENT", "UNPAUSE")
    assert redis("EXISTS", "k") == b":0\r\n"


def test_no_touch_leaves_no_trace():
    redis = Redis()
    redis("SET", "k", "1")
    redis("CLIENT", "NO-TOUCH", "on")
    redis.advance(10_000)
    redis("GET", "k")
    assert redis("OBJECT", "IDLETIME", "k") == b":10\r\n"
    redis("TOUCH", "k")
    assert redis("OBJECT", "IDLETIME", "k") == b":0\r\n"


def test_tracking_is_off_and_cannot_be_switched_on_yet():
    redis = Redis()
    redis("HELLO", 3)
    assert redis("CLIENT", "TRACKINGINFO") == (
        b"%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n"
    )
    assert redis("CLIENT", "GETREDIR") == b":-1\r\n"
    assert redis("CLIENT", "TRACKING", "on") == b"-ERR unknown subcommand 'TRACKING'. Try CLIENT HELP.\r\n"


def test_help_lists_the_subcommands_and_itself_last():
    lines = Redis()("CLIENT", "HELP").split(b"\r\n")
    assert lines[1] == b"+CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert lines[-3:] == [b"+HELP", b"+    Print this help.", b""]

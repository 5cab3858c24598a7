"""CONFIG GET, SET, REWRITE, RESETSTAT."""

from miniredis.host import NoHost, ProcessFacts
from tests.miniredis.engine_fixtures import Redis


def test_get_takes_patterns_and_answers_names_as_asked():
    redis = Redis()
    assert redis("CONFIG", "GET", "MAXMEMORY") == b"*2\r\n$9\r\nMAXMEMORY\r\n$1\r\n0\r\n"
    assert redis("CONFIG", "GET", "slave-read-onl?") == b"*2\r\n$15\r\nslave-read-only\r\n$3\r\nyes\r\n"
    assert redis("CONFIG", "GET", "nosuch") == b"*0\r\n"
    redis("HELLO", 3)
    assert redis("CONFIG", "GET", "hz", "port") == b"%2\r\n$4\r\nport\r\n$4\r\n6379\r\n$2\r\nhz\r\n$2\r\n10\r\n"


def test_set_changes_all_or_nothing():
    redis = Redis()
    assert redis("CONFIG", "SET", "hz", "20", "maxmemory", "x") == (
        b"-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value\r\n"
    )
    assert redis("CONFIG", "GET", "hz").endswith(b"$2\r\n10\r\n")
    assert redis("CONFIG", "SET", "hz", "20", "maxmemory", "1mb") == b"+OK\r\n"
    assert redis.engine.settings.maxmemory == redis.engine.eviction.limit == 1 << 20


def test_set_says_what_it_does_not_like():
    redis = Redis()
    assert redis("CONFIG", "SET", "nosuch", "1") == (
        b"-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'\r\n"
    )
    assert redis("CONFIG", "SET", "hz", "1", "HZ", "2").endswith(b"'HZ') - duplicate parameter\r\n")
    assert redis("CONFIG", "SET", "databases", "3").endswith(b"'databases') - can't set immutable config\r\n")
    assert redis("CONFIG", "SET", "dir", "/tmp").endswith(b"'dir') - can't set protected config\r\n")
    assert redis("CONFIG", "SET", "a", "b", "c") == b"-ERR syntax error\r\n"


def test_protected_options_open_to_local_clients_when_told_so():
    redis = Redis(enable_protected_configs="local")
    assert redis("CONFIG", "SET", "dbfilename", "x.rdb") == b"+OK\r\n"
    redis.client.address = "10.0.0.1:5"
    assert redis("CONFIG", "SET", "dbfilename", "y.rdb").startswith(b"-ERR")


def test_new_values_reach_those_who_keep_a_copy():
    redis = Redis()
    redis("CONFIG", "SET", "slowlog-log-slower-than", "0", "notify-keyspace-events", "KEA")
    assert (redis.engine.slowlog.threshold_us, redis.engine.ordinary_us, redis.engine.notifying) == (0, 0, True)
    redis("CONFIG", "SET", "slowlog-log-slower-than", "-1", "latency-monitor-threshold", "0")
    assert redis.engine.ordinary_us == 1000


def test_secrets_stay_out_of_the_slow_log():
    redis = Redis(slowlog_log_slower_than=0)
    redis("CONFIG", "SET", "requirepass", "secret", "hz", "10")
    assert redis.engine.slowlog.entries[0].arguments == [b"CONFIG", b"SET", b"requirepass", b"(redacted)", b"hz", b"10"]


def test_rewrite_needs_a_file_and_tells_what_went_wrong():
    redis = Redis()
    assert redis("CONFIG", "REWRITE") == b"-ERR The server is running without a config file\r\n"
    host = NoHost()
    host.facts = ProcessFacts(config_file="gone.conf")
    redis.engine.host = host
    assert redis("CONFIG", "REWRITE") == b"-ERR Rewriting config file: No such file or directory\r\n"

"""The table of redis.conf directives."""

import pytest

from miniredis.options import OPTIONS
from serving.config import SettingError
from serving.readers import read_redis_conf

DEBIAN = """
# As Debian's redis-server package writes it, without the comments.
bind 127.0.0.1 -::1
protected-mode yes
port 6379
tcp-backlog 511
timeout 0
tcp-keepalive 300
daemonize yes
pidfile /run/redis/redis-server.pid
loglevel notice
logfile /var/log/redis/redis-server.log
databases 16
always-show-logo no
set-proc-title yes
proc-title-template "{title} {listen-addr} {server-mode}"
stop-writes-on-bgsave-error yes
rdbcompression yes
rdbchecksum yes
dbfilename dump.rdb
rdb-del-sync-files no
dir /var/lib/redis
replica-serve-stale-data yes
repl-diskless-load disabled
acllog-max-len 128
lazyfree-lazy-eviction no
oom-score-adj no
oom-score-adj-values 0 200 800
appendonly no
appendfilename "appendonly.aof"
appenddirname "appendonlydir"
appendfsync everysec
auto-aof-rewrite-min-size 64mb
slowlog-log-slower-than 10000
notify-keyspace-events ""
list-max-listpack-size -2
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 256mb 64mb 60
client-output-buffer-limit pubsub 32mb 8mb 60
hz 10
dynamic-hz yes
jemalloc-bg-thread yes
"""


def load(text):
    return OPTIONS.load(read_redis_conf(text))


def test_a_distribution_file_loads_and_tells_what_changes_nothing():
    settings = load(DEBIAN)
    assert (settings.port, settings.bind, settings.appendfsync) == (6379, ("127.0.0.1", "-::1"), "everysec")
    assert "daemonize" in settings.without_effect and "port" not in settings.without_effect


def test_every_default_is_what_config_get_shows_read_again():
    settings = OPTIONS.load()
    for option in OPTIONS.options:
        text = option.kind.text(option.default)
        assert option.parse([text]) == option.default, option.name
        assert getattr(settings, option.attribute) == option.default


def test_every_option_says_what_it_means():
    assert [option.name for option in OPTIONS.options if not option.doc] == []


def test_classes_of_clients_keep_their_limits_unless_named():
    settings = load("client-output-buffer-limit replica 1mb 0 0\nclient-output-buffer-limit pubsub 2mb 1mb 30")
    assert settings.text("client-output-buffer-limit") == "normal 0 0 0 slave 1048576 0 0 pubsub 2097152 1048576 30"


def test_save_lines_add_up_and_an_empty_one_takes_them_away():
    assert load("save 60 1\nsave 30 2").text("save") == "60 1 30 2"
    assert load('save 60 1\nsave ""').text("save") == ""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("save 60", "Invalid save parameters"),
        ("save 0 1", "Invalid save parameters"),
        ("client-output-buffer-limit foo 0 0 0", "Invalid client class specified in buffer limit configuration."),
        ("client-output-buffer-limit normal 0 0", "Wrong number of arguments in buffer limit configuration."),
        ("notify-keyspace-events Kq", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ("oom-score-adj-values 0 1", "wrong number of arguments"),
        ("latency-tracking-info-percentiles x", "Invalid latency-tracking-info-percentiles parameters"),
        ("dbfilename a/b", "dbfilename can't be a path, just a filename"),
        ("appenddirname a/b", "appenddirname can't be a path, just a dirname"),
        ("port 65536", "argument must be between 0 and 65535 inclusive"),
        ("proc-title-template {foo}", "template format is invalid or contains unknown variables"),
        ("nosuch 1", "Bad directive or wrong number of arguments"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line_and_reason(line, reason):
    with pytest.raises(SettingError) as caught:
        load(f"# first\n{line}")
    assert (caught.value.where, caught.value.reason) == ("redis.conf, line 2", reason)


def test_events_come_back_in_the_order_redis_prints_them():
    assert load("notify-keyspace-events EKx").text("notify-keyspace-events") == "xKE"
    assert load("notify-keyspace-events KEA").text("notify-keyspace-events") == "AKE"

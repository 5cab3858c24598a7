"""Our tables against the real server's: every row of COMMAND INFO, every directive of CONFIG, every field of INFO.

Where 7.2 differs from the 7.0.15 at hand, the difference stands here with its reason.
"""

import re

import hiredis
import pytest

from miniredis.options import OPTIONS
from tests.miniredis.engine_fixtures import Redis
from tests.oracles.real_redis import real_redis

COLUMNS = ("name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specifications")

COMMANDS_OF_7_2 = {"client|no-touch", "client|setinfo", "waitaof"}
ROWS_OF_7_2 = {
    ("zrank", "arity"): "WITHSCORE",
    ("zrevrank", "arity"): "WITHSCORE",
    ("wait", "flags"): "scripts may call it",
    ("msetnx", "tips"): "cannot be split over shards",
    ("randomkey", "tips"): "response policy named",
    ("scan", "tips"): "response policy named",
}
DIRECTIVES_OF_7_2 = {
    "cluster-announce-human-nodename", "locale-collate", "set-max-listpack-entries", "set-max-listpack-value",
}  # fmt: skip
FIELDS_OF_7_2 = [
    "total_blocking_keys", "total_blocking_keys_on_nokey", "eventloop_cycles", "eventloop_duration_sum",
    "eventloop_duration_cmd_sum", "instantaneous_eventloop_cycles_per_sec", "instantaneous_eventloop_duration_usec",
    "acl_access_denied_auth", "acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel",
]  # fmt: skip

ELSEWHERE = {"bind", "dir", "port", "save"}  # the test's own server is told these
DANGEROUS = ELSEWHERE | {"appendonly", "logfile", "loglevel", "maxclients", "oom-score-adj", "oom-score-adj-values",
                         "requirepass", "tls-port"}  # fmt: skip
CLAMPED = {"maxmemory-clients", "repl-backlog-size", "tls-cluster", "tls-replication"}
"""What has no effect here is not refused, or not cut to size, for reasons that only an effect would give."""

VALUES = ("foo", "", "-1", "0", "1", "99999999999999999999", "YES", "100mb", "1 2", "a/b", "50%", "1.5", "101")


@pytest.fixture
def real():
    with real_redis() as client:
        yield client


def parsed(reply):
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(reply)
    return reader.gets()


def by_name(rows):
    """Rows and those of their subcommands; remarks on keys, which are prose, as whether there is one."""
    found = {}
    for row in rows:
        specs = [dict(zip(spec[::2], spec[1::2], strict=True)) for spec in row[8]]
        found[row[0]] = [*row[:8], [{**spec, "notes": "notes" in spec} for spec in specs]]
        found |= by_name(row[9])
    return found


def test_every_row_of_the_command_table_is_as_the_real_one(real):
    theirs, ours = by_name(parsed(real.call(b"COMMAND"))), by_name(parsed(Redis()("COMMAND")))
    assert set(ours) - set(theirs) == COMMANDS_OF_7_2
    different = {
        (name, column): (theirs[name][index], row[index])
        for name, row in ours.items()
        if name in theirs
        for index, column in enumerate(COLUMNS)
        if theirs[name][index] != row[index]
    }
    assert {place: both for place, both in different.items() if place not in ROWS_OF_7_2} == {}


def test_every_directive_is_known_with_the_same_default(real):
    flat = parsed(real.call(b"CONFIG", b"GET", b"*"))
    theirs = dict(zip(flat[::2], flat[1::2], strict=True))
    ours = dict(OPTIONS.load().get("*"))
    foreign = {name for name in ours if OPTIONS.named[name].ours}
    assert set(ours) - set(theirs) - foreign == DIRECTIVES_OF_7_2
    assert {name: text for name, text in theirs.items() if ours.get(name) != text and name not in ELSEWHERE} == {}


def test_every_directive_takes_and_refuses_the_same(real):
    redis = Redis()
    skipped = DANGEROUS | CLAMPED | DIRECTIVES_OF_7_2
    for name, option in OPTIONS.named.items():
        if name in skipped or option.ours or option.hidden:
            continue
        for value in (option.kind.text(option.default), *VALUES):
            request = (b"CONFIG", b"SET", name.encode(), value.encode())
            assert redis(*request) == real.call(*request), request
            assert redis("CONFIG", "GET", name) == real.call(b"CONFIG", b"GET", name.encode()), request


def test_info_has_the_same_fields_in_the_same_order(real):
    def names(reply):
        lines = re.findall(rb"^(# \w+|[a-z_0-9]+):?", reply.partition(b"\r\n")[2], re.MULTILINE)
        return [line.decode() for line in lines if not re.match(rb"cmdstat_|errorstat_|latency_percentiles_", line)]

    theirs, ours = names(real.call(b"INFO", b"everything")), names(Redis()("INFO", "everything"))
    assert [name for name in ours if name not in FIELDS_OF_7_2] == theirs
    assert [name for name in ours if name in FIELDS_OF_7_2] == FIELDS_OF_7_2

"""Rules that change while they are used."""

import logging
import os
import time

import pytest

from ratelimit.decision import Ask
from ratelimit.memory_store import MemoryStore
from ratelimit.reload import RulesFile
from ratelimit.rules import Request
from ratelimit.rules_file import RulesError

REQUEST = Request("GET", "/", "203.0.113.9")


class Disk:
    """One file that a test rewrites, and a clock it turns."""

    def __init__(self, text):
        self.text, self.version, self.now_ms, self.looks = text, 1, 1_700_000_000_000, 0

    def write(self, text):
        self.text = text
        self.version += 1

    def read(self, path):
        if self.text is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.text

    def sign(self, path):
        self.looks += 1
        return None if self.text is None else self.version

    def file(self):
        return RulesFile("dir/rules.toml", now_ms=lambda: self.now_ms, read=self.read, sign=self.sign)


def rule(limit, name="a"):
    return f'[[rules]]\nname = "{name}"\nlimit = "{limit}"\n'


def limits(rules):
    return [str(policy.limit) for policy in rules.policies()]


def test_a_saved_file_is_seen_within_a_second():
    disk = Disk(rule("1/s"))
    file = disk.file()
    disk.write(rule("2/s"))
    disk.now_ms += 999
    assert limits(file.current()) == ["1 per second"]
    disk.now_ms += 1
    assert limits(file.current()) == ["2 per second"]
    assert (file.loaded, file.refused, file.trouble) == (2, 0, None)


def test_the_file_is_looked_at_once_a_second_however_many_ask():
    disk = Disk(rule("1/s"))
    file = disk.file()
    disk.now_ms += 1000
    for _ in range(100):
        file.current()
    assert disk.looks == 2


def test_a_bad_file_changes_nothing_and_says_so_once(caplog):
    disk = Disk(rule("1/s"))
    file = disk.file()
    disk.write(rule("lots"))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            disk.now_ms += 1000
            file.current()
    assert limits(file.rules) == ["1 per second"]
    assert (file.loaded, file.refused) == (1, 1)
    (record,) = caplog.records
    assert "rules.toml, line 3: rules.a.limit: 'lots' is not a limit" in record.getMessage()
    assert file.trouble in record.getMessage()


def test_a_file_that_is_gone_changes_nothing_and_is_taken_when_it_is_back():
    disk = Disk(rule("1/s"))
    file = disk.file()
    disk.text = None
    assert file.reload() is False
    assert file.trouble == "dir/rules.toml: No such file or directory"
    disk.write(rule("2/s"))
    assert file.look() is True
    assert (limits(file.rules), file.trouble) == (["2 per second"], None)


def test_the_first_file_must_be_good():
    with pytest.raises(RulesError):
        Disk("[[rules]]").file()
    with pytest.raises(OSError, match="No such file"):
        Disk(None).file()


def test_an_untouched_rule_goes_on_counting_and_a_changed_one_begins_afresh():
    disk = Disk(rule("2/h") + rule("2/h", "b"))
    file = disk.file()
    store = MemoryStore(now_ms=lambda: disk.now_ms)
    assert file.rules.check(REQUEST, store).allowed
    disk.write(rule("2/h") + rule("3/h", "b"))
    assert file.reload()
    parts = file.rules.check(REQUEST, store).parts
    assert [(policy.name, decision.remaining) for policy, decision in parts] == [("a", 0), ("b", 2)]
    assert [str(ask) for _, ask in file.rules.asks_about("everyone", "a")] == [
        str(Ask(parts[0][0].limit, "{everyone}:a", 1))
    ]


def test_a_store_in_the_process_forgets_limits_two_files_later_so_that_an_edit_can_be_undone():
    disk = Disk(rule("2/h"))
    file = disk.file()
    store = MemoryStore(now_ms=lambda: disk.now_ms)
    file.keep_small(store)
    left = []
    for text in ("2/h", "3/h", "2/h", "4/h", "5/h", "2/h"):
        disk.write(rule(text))
        assert file.reload()
        left.append(file.rules.check(REQUEST, store).decision.remaining)
    assert left == [1, 2, 0, 3, 4, 1]


def test_a_real_file(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(rule("1/s"))
    file = RulesFile(str(path))
    aside = tmp_path / "aside"
    aside.write_text(rule("2/s"))
    os.utime(aside, ns=(time.time_ns(), path.stat().st_mtime_ns))  # the same time and size: a new file all the same
    aside.rename(path)
    assert file.look()
    assert limits(file.rules) == ["2 per second"]
    assert not file.look()

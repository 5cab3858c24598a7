"""The manifest as text: what Redis writes is read, what Redis refuses is refused for its reason."""

import shutil
import subprocess

import pytest

from miniredis.persistence.aof_manifest import LogFile, Manifest, ManifestError, parse

TEXT = """\
file appendonly.aof.2.base.rdb seq 2 type b
file appendonly.aof.1.incr.aof seq 1 type h
file appendonly.aof.1.base.rdb seq 1 type h
file appendonly.aof.2.incr.aof seq 2 type i
file appendonly.aof.3.incr.aof seq 3 type i
"""
MANIFEST = Manifest(
    base=LogFile("appendonly.aof.2.base.rdb", 2, "b"),
    increments=(LogFile("appendonly.aof.2.incr.aof", 2, "i"), LogFile("appendonly.aof.3.incr.aof", 3, "i")),
    history=(LogFile("appendonly.aof.1.incr.aof", 1, "h"), LogFile("appendonly.aof.1.base.rdb", 1, "h")),
)
PREFIX = "appendonly.aof"


def test_text_becomes_a_manifest_and_the_manifest_that_text():
    assert parse(TEXT) == MANIFEST
    assert MANIFEST.text() == TEXT


def test_loaded_are_the_base_and_then_the_increments():
    assert [file.sequence for file in MANIFEST.files] == [2, 2, 3]
    assert Manifest().files == ()


def test_comments_unknown_pairs_capitals_and_order_do_not_matter():
    text = "# by hand\nTYPE incr future thing SEQ 7 FILE x\r\n# the end"
    assert parse(text) == Manifest(increments=(LogFile("x", 7, "i"),))


@pytest.mark.parametrize("name", ["with space", 'qu"ote', "Füße", "tab\there", "\udcff", "it's"])
def test_a_name_that_needs_quotes_gets_them(name):
    manifest = Manifest(base=LogFile(name, 1, "b"))
    assert parse(manifest.text()) == manifest
    assert manifest.text().startswith('file "')


REFUSED = {
    "file a seq 1 type b\nfile b seq 2 type b\n": (2, "Found duplicate base file information"),
    "file a seq 2 type i\nfile b seq 2 type i\n": (2, "Found a non-monotonic sequence number"),
    "file a seq 3 type i\nfile b seq 2 type i\n": (2, "Found a non-monotonic sequence number"),
    "file a seq 1 type z\n": (1, "Unknown AOF file type"),
    "file ../a seq 1 type b\n": (1, "File can't be a path, just a filename"),
    "file a seq 0 type b\n": (1, "Invalid AOF manifest file format"),
    "file a seq x type b\n": (1, "Invalid AOF manifest file format"),
    "file a seq 1\n": (1, "Invalid AOF manifest file format"),
    "file a seq 1 type\n": (1, "Invalid AOF manifest file format"),
    "file a seq 1 type b more\n": (1, "Invalid AOF manifest file format"),
    'file "a seq 1 type b\n': (1, "Invalid AOF manifest file format"),
    "file a seq 1 type b\n\nfile b seq 1 type i\n": (2, "Invalid AOF manifest file format"),
    "file a seq 1 type b\nfile b seq 1 type i": (2, "The AOF manifest file contains too long line"),
    f"file {'a' * 1006} seq 1 type b\n": (1, "The AOF manifest file contains too long line"),
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_a_damaged_manifest_is_refused_with_line_and_reason(text):
    with pytest.raises(ManifestError) as refusal:
        parse(text)
    assert (refusal.value.line, refusal.value.reason) == REFUSED[text]


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_redis_refuses_it_for_the_same_reason(tmp_path, text):
    assert REFUSED[text][1] in checked_by_redis(tmp_path, text)


def test_the_longest_line_is_read(tmp_path):
    text = f"file {'a' * 1005} seq 1 type b\n"
    assert parse(text).files == (LogFile("a" * 1005, 1, "b"),)
    assert "FATAL" not in checked_by_redis(tmp_path, text)


def test_an_empty_manifest_is_refused():
    with pytest.raises(ManifestError, match=r"^Found an empty AOF manifest$"):
        parse("")


def checked_by_redis(folder, text):
    checker = shutil.which("redis-check-aof")
    assert checker is not None, "redis-tools has it"
    path = folder / "appendonly.aof.manifest"
    path.write_text(text)
    return subprocess.run([checker, path], capture_output=True, text=True, timeout=20).stdout


# -- the steps of a rewrite -----------------------------------------------------------------------------------


def test_a_rewrite_moves_all_but_the_last_increment_to_history():
    begun = MANIFEST.without_history().with_increment(MANIFEST.next_increment(PREFIX))
    ended = begun.rewritten(begun.next_base(PREFIX))
    assert ended.text().splitlines() == [
        "file appendonly.aof.3.base.rdb seq 3 type b",
        "file appendonly.aof.2.incr.aof seq 2 type h",
        "file appendonly.aof.3.incr.aof seq 3 type h",
        "file appendonly.aof.2.base.rdb seq 2 type h",
        "file appendonly.aof.4.incr.aof seq 4 type i",
    ]
    assert ended.without_history().files == ended.files


def test_a_rewrite_of_a_log_that_is_switched_off_leaves_no_increment():
    ended = MANIFEST.rewritten(MANIFEST.next_base(PREFIX), increments=0)
    assert [file.name for file in ended.files] == ["appendonly.aof.3.base.rdb"]
    assert [file.sequence for file in ended.history[:3]] == [2, 3, 2]


def test_the_first_files_have_number_one():
    assert Manifest().next_base(PREFIX) == LogFile("appendonly.aof.1.base.rdb", 1, "b")
    assert Manifest().next_increment(PREFIX) == LogFile("appendonly.aof.1.incr.aof", 1, "i")


def test_a_new_increment_never_takes_the_name_of_one_that_is_to_be_deleted():
    switched_off = MANIFEST.rewritten(MANIFEST.next_base(PREFIX), increments=0)
    assert switched_off.next_increment(PREFIX).name == "appendonly.aof.4.incr.aof"

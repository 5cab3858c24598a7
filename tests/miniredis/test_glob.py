"""Glob patterns, and that none of them takes for ever."""

import pytest

from miniredis.glob import matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (b"*", b"", True), (b"h?llo", b"hello", True), (b"h?llo", b"hllo", False), (b"h*llo", b"heeeello", True),
        (b"h[ae]llo", b"hello", True), (b"h[^e]llo", b"hello", False), (b"h[a-c]llo", b"hbllo", True),
        (b"h[c-a]llo", b"hbllo", True), (b"\\*", b"*", True), (b"\\*", b"x", False), (b"[abc", b"c", True),
        (b"[\\]]", b"]", True), (b"*abc", b"abcabc", True), (b"a*b*c", b"axxbyyc", True), (b"a*b*c", b"axxbyy", False),
        (b"**", b"x", True), (b"\n?", b"\n\n", True), (b"[]", b"x", False), (b"[^]", b"x", True), (b"", b"", True),
    ],
)  # fmt: skip
def test_a_pattern_matches_as_in_redis(pattern, text, expected):
    assert matches(pattern, text) is expected


def test_a_pattern_made_to_backtrack_is_answered_at_once():
    assert not matches(b"a*" * 40 + b"b", b"a" * 20_000)


def test_case_can_be_ignored():
    assert matches(b"MAX*", b"maxmemory", ignore_case=True)

"""Reading Idempotency-Key, and naming what it stands for."""

import pytest

from ratelimit.idempotency.field import (
    KeyMalformed,
    KeyMissing,
    Request,
    anyone,
    cookie,
    fingerprint_of,
    header,
    key_of,
    name_of,
    user,
)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'"8e03978e-40d5-43e8-bc93-6894a57f9324"', b"8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (b"8e03978e-40d5-43e8-bc93-6894a57f9324", b"8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (b' "padded"\t', b"padded"),
        (b'"with space, comma; and \\"quotes\\" and \\\\"', b'with space, comma; and "quotes" and \\'),
        (b'"a";version=1', b"a"),
        (b'"a" ; b; c="d"', b"a"),
        (b"a+b/c==", b"a+b/c=="),
        (b"x" * 255, b"x" * 255),
    ],
)
def test_a_quoted_string_and_a_bare_word_are_keys(value, key):
    """RFC 9651 §3.3.3; the bare word is what clients sent before there was a draft."""
    assert key_of([(b"content-type", b"text/plain"), (b"idempotency-key", value)]) == key


@pytest.mark.parametrize(
    "value",
    [b"", b'""', b'"', b'"open', b'closed"', b'"a\\b"', b'"a\tb"', '"ä"'.encode(), b"a b", b"a,b", b'"a", "b"', b'"a""b"',
     b"a;b", b"a\\b", b"a\x00b", b"x" * 256, b'"' + b"x" * 256 + b'"', b'"a";x, "b"'],
)  # fmt: skip
def test_anything_else_is_malformed(value):
    with pytest.raises(KeyMalformed):
        key_of([(b"idempotency-key", value)])


def test_two_lines_are_malformed_though_they_agree():
    """draft-ietf-httpapi-idempotency-key-header-07 §2.1: not more than one."""
    with pytest.raises(KeyMalformed):
        key_of([(b"idempotency-key", b'"a"'), (b"idempotency-key", b'"a"')])


def test_no_line_is_no_key():
    with pytest.raises(KeyMissing):
        key_of([(b"x-idempotency-key", b'"a"')])


def test_a_name_tells_users_and_keys_apart_and_shows_neither():
    pairs = [(b"anna", b"1"), (b"ben", b"1"), (b"anna", b"2"), (b"anna1", b""), (b"", b"anna1")]
    names = [name_of(who, key) for who, key in pairs]
    assert len(set(names)) == len(pairs)
    assert all(len(name) == 64 and "anna" not in name for name in names)


def test_a_fingerprint_tells_requests_apart_by_method_target_and_body():
    requests = [
        Request("POST", b"/orders", [], b"book"),
        Request("PATCH", b"/orders", [], b"book"),
        Request("POST", b"/orders?x=1", [], b"book"),
        Request("POST", b"/orders", [], b"books"),
        Request("POST", b"/order", [], b"sbook"),
    ]
    assert len({fingerprint_of(request) for request in requests}) == len(requests)


def test_a_fingerprint_does_not_look_at_headers():
    """A retry may carry another date, or another trace id."""
    once, again = (Request("POST", b"/", [(b"date", date)], b"x") for date in (b"Mon", b"Tue"))
    assert fingerprint_of(once) == fingerprint_of(again)


REQUEST = Request(
    "POST",
    b"/",
    [(b"authorization", b"Bearer 1"), (b"cookie", b"theme=dark; session=abc"), (b"cookie", b"x=y")],
    user="anna",
)


@pytest.mark.parametrize(
    ("who", "name"),
    [
        (header("Authorization"), b"Bearer 1"),
        (header("x-api-key"), b""),
        (cookie("session"), b"abc"),
        (cookie("x"), b"y"),
        (cookie("sess"), b""),
        (user, b"anna"),
        (anyone, b""),
    ],
)
def test_who_it_is(who, name):
    assert who(REQUEST) == name

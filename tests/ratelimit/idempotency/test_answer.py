"""Answers as they are stored and replayed."""

import json

import pytest

from ratelimit.idempotency.answer import IN_PROGRESS, Answer, problem

CREATED = Answer(201, [(b"content-type", b"text/plain"), (b"set-cookie", b"a"), (b"set-cookie", b"b")], b"order 7")


def test_a_stored_answer_is_the_same_answer():
    assert Answer.decode(CREATED.encode()) == CREATED


def test_fields_of_one_connection_are_not_stored():
    """RFC 9110 §7.6.1."""
    answer = Answer(200, [(b"connection", b"close"), (b"transfer-encoding", b"chunked"), (b"etag", b'"1"')], b"")
    assert Answer.decode(answer.encode()).headers == [(b"etag", b'"1"')]


def test_a_replayed_answer_says_so():
    assert CREATED.replayed(None) == Answer(201, [*CREATED.headers, (b"idempotent-replayed", b"true")], b"order 7")


@pytest.mark.parametrize(("status", "replayed"), [(201, 200), (204, 200), (200, 200), (303, 303), (404, 404)])
def test_the_textbooks_200_is_for_successes_only(status, replayed):
    assert CREATED._replace(status=status).replayed(200).status == replayed


def test_an_answer_that_was_not_kept_is_known_by_its_status():
    assert Answer.decode(CREATED._replace(body=None).encode()) == Answer(201, [], None)


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x07", b"\x93\x01\x02\x03", b"\x91\x01", b"hello", CREATED.encode() + b"x"]
)
def test_what_is_no_stored_answer_is_not_taken_for_one(data):
    with pytest.raises(ValueError):
        Answer.decode(data)


def test_a_problem_is_json_that_nobody_may_cache():
    answer = problem(IN_PROGRESS, "https://example.com/keys", retry_after_s=2)
    assert answer.status == 409
    assert json.loads(answer.body) == {
        "type": "https://example.com/keys",
        "title": "A request with this Idempotency-Key is in progress",
        "status": 409,
        "detail": "Its answer is not known yet; ask again, with the same key.",
    }
    assert dict(answer.headers) == {
        b"content-type": b"application/problem+json",
        b"content-length": b"%d" % len(answer.body),
        b"cache-control": b"no-store",
        b"link": b'<https://example.com/keys>; rel="describedby"',
        b"retry-after": b"2",
    }

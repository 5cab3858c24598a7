"""The options: which make sense, and what they stand for."""

import pytest

from ratelimit.idempotency.policy import Policy, PolicyError


def test_what_is_released_is_written_as_people_write_it():
    assert Policy(release="408 5xx").released == {408, *range(500, 600)}
    assert Policy(release="").released == frozenset()


@pytest.mark.parametrize(
    "options",
    [{"release": "600"}, {"release": "5x"}, {"release": "none"}, {"lease_ms": 2}, {"hold_ms": -1}, {"poll_ms": 0},
     {"answer_bytes": -1}, {"request_bytes": -1}, {"replay_status": 404}],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(PolicyError):
        Policy(**options)


@pytest.mark.parametrize(
    ("required", "path", "is_required"),
    [
        (("/",), "/anything", True),
        (("/",), "/", True),
        ((), "/orders", False),
        (("/orders",), "/orders", True),
        (("/orders",), "/orders/7", True),
        (("/orders/",), "/orders/7", True),
        (("/orders",), "/ordersearch", False),
        (("/a", "/orders"), "/orders", True),
    ],
)
def test_a_key_is_required_below_a_path_and_not_beside_it(required, path, is_required):
    assert Policy(required=required).requires(path) is is_required

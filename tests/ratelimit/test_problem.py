"""Problem documents."""

import json

from ratelimit import problem
from ratelimit.decision import Decision


def test_a_denial_names_the_broken_policies_and_the_wait():
    document = problem.quota_exceeded(["burst", "daily"], Decision(False, 0, 1500, 9000))
    assert json.loads(problem.body(document)) == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "detail": "Ask again in 2 s.",
        "violated-policies": ["burst", "daily"],
    }


def test_a_store_that_fails_closed_is_the_server_s_trouble_not_the_client_s():
    document = problem.reduced_capacity(["daily"])
    assert (document["status"], document["type"]) == (503, problem.TYPES + "temporary-reduced-capacity")
    assert document["violated-policies"] == ["daily"]

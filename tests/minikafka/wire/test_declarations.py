"""What is declared is what Kafka speaks: field by field, version by version, against schemas read from its jars."""

import re

import pytest

from minikafka.wire.apis import API_VERSIONS, APIS
from minikafka.wire.types import NEVER
from tests.minikafka.wire.declared import GOLDEN, KAFKAS_APIS, RECORDS, lines, name_of, recorded

if not (GOLDEN / "schemas.txt").exists():
    pytest.skip("`make record-kafka` has not written the schemas yet", allow_module_level=True)

KAFKAS_MESSAGES = [cls for api in KAFKAS_APIS.values() for cls in (api.request, api.response)]
SCHEMAS = recorded(GOLDEN / "schemas.txt")
RECORD_SCHEMAS = recorded(GOLDEN / "records.txt")
KAFKAS_RECORDS = [cls for cls in RECORDS if cls.__name__ not in ("ClusterIdRecord", "ZkMigrationStateRecord")]
"""The first is ours, the second of older Kafkas."""


@pytest.mark.parametrize("cls", KAFKAS_MESSAGES, ids=name_of)
def test_a_message_has_the_fields_of_kafkas_in_each_version(cls):
    theirs = {version: block for (name, version), (_, block) in SCHEMAS.items() if name == cls.__name__}
    assert {version: lines(cls, version) for version in cls.__versions__} == theirs


@pytest.mark.parametrize("cls", KAFKAS_RECORDS, ids=name_of)
def test_a_record_has_the_fields_of_kafkas_in_each_version(cls):
    name = cls.__name__.removeprefix("Legacy")
    theirs = {version: block for (known, version), (_, block) in RECORD_SCHEMAS.items() if known == name}
    assert {version: lines(cls, version) for version in cls.__versions__} == theirs


def test_a_record_has_the_number_of_kafkas():
    theirs = {name: int(rest.split()[1]) for (name, _), (rest, _) in RECORD_SCHEMAS.items()}
    ours = {cls.__name__: cls.__api_key__ for cls in RECORDS if cls.__name__ in theirs}
    assert ours == {name: theirs[name] if name in NUMBERED else -1 for name in ours}


NUMBERED = {cls.__name__ for cls in RECORDS if cls.__api_key__ != -1}


@pytest.mark.parametrize("api", KAFKAS_APIS.values(), ids=lambda api: api.name)
def test_headers_are_of_kafkas_version(api):
    ours = {
        f"{cls.__name__} {version}": f"header v{number(version)}"
        for cls, number in ((api.request, api.header_version), (api.response, api.response_header_version))
        for version in cls.__versions__
    }
    assert ours == {
        f"{name} {version}": rest
        for (name, version), (rest, _) in SCHEMAS.items()
        if name in (api.request.__name__, api.response.__name__)
    }


def test_an_api_has_the_key_the_name_and_the_listeners_of_kafkas():
    heading = re.compile(r"^# (\d+) (\w+) versions (\S+) listeners \[(.*)\]$", re.MULTILINE)
    theirs = {
        int(key): (name, frozenset(listeners.lower().split(", ")))
        for key, name, _, listeners in heading.findall((GOLDEN / "schemas.txt").read_text())
    }
    ours = {key: (api.name, api.listeners) for key, api in KAFKAS_APIS.items()}
    assert ours == {key: theirs[key] for key in ours}


def test_only_what_is_declared_is_served_and_only_what_is_served_is_offered():
    refused = {"Produce": [0, 1, 2]}
    for api in APIS.values():
        served = [] if api.served == NEVER else list(api.served)
        offered = [] if api.offered == NEVER else list(api.offered)
        assert set(served) <= set(api.request.__versions__), api.name
        assert [version for version in offered if version not in served] == refused.get(api.name, []), api.name


def test_request_and_response_are_of_one_kind():
    for api in APIS.values():
        assert api.request.__api_key__ == api.response.__api_key__ == api.key
        assert api.request.__versions__ == api.response.__versions__, api.name
        assert api.request.__flexible__ == api.response.__flexible__, api.name


def test_the_answer_to_api_versions_can_be_read_by_those_who_do_not_know_it():
    assert [APIS[API_VERSIONS].response_header_version(version) for version in range(5)] == [0] * 5

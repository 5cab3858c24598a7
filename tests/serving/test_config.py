import pytest

from serving.config import Given, SettingError, Table, UnknownOption
from serving.readers import read_arguments, read_redis_conf
from tests.serving.redis_options import OUTPUT_LIMITS, POLICIES, REDIS


def load(text=""):
    return REDIS.load(read_redis_conf(text))


def test_untold_every_option_stands_at_its_default():
    settings = load()
    assert (settings.port, settings.maxmemory, settings.appendonly) == (6379, 0, False)
    assert settings.save == ((3600, 1), (300, 100), (60, 10000))
    assert settings.bind == ("*", "-::*")


def test_later_sources_win():
    settings = REDIS.load(
        [Given("port", ["1"], "file")], [Given("port", ["2"], "MINI_PORT")], [Given("port", ["3"], "--port")]
    )
    assert (settings.port, settings.where["port"]) == (3, "--port")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("save", "3600 1 300 100 60 10000"),
        ("client-output-buffer-limit", OUTPUT_LIMITS),
        ("maxmemory", "0"),
        ("bind", "* -::*"),
        ("unixsocketperm", "0"),
        ("appendonly", "no"),
        ("requirepass", ""),
        ("shutdown-on-sigterm", "default"),
    ],
)
def test_texts_are_those_of_config_get(name, text):
    """As redis-server 7.0.15 answers CONFIG GET for each."""
    assert load().get(name) == [(name, text)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1k", 1000),
        ("1KB", 1024),
        ("10g", 10**10),
        ("1gb", 2**30),
        ("7b", 7),
        ("", 0),
        ("mb", 0),
        ("9" * 30, 2**64 - 1),
    ],
)
def test_memory_counts_in_thousands_or_in_1024s(text, kept):
    settings = load()
    settings.set({"maxmemory": text})
    assert settings.maxmemory == kept


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("maxmemory", "foo", "argument must be a memory value"),
        ("maxmemory", "-1", "argument must be a memory value"),
        ("maxmemory", "1 gb", "argument must be a memory value"),
        ("maxmemory", "5%", "argument must be a memory value"),
        ("maxmemory-clients", "x", "argument must be a memory or percent value"),
        ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
        ("maxmemory-samples", "-5", "argument must be between 1 and 2147483647 inclusive"),
        ("port", "70000", "argument must be between 0 and 65535 inclusive"),
        ("timeout", "1.5", "argument couldn't be parsed into an integer"),
        ("timeout", " 5", "argument couldn't be parsed into an integer"),
        ("timeout", "", "argument couldn't be parsed into an integer"),
        ("timeout", "9" * 20, "argument couldn't be parsed into an integer"),
        ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
        ("maxmemory-policy", "nono", "argument(s) must be one of the following: " + ", ".join(POLICIES)),
        ("save", "60", "Invalid save parameters"),
        (
            "client-output-buffer-limit",
            "normal 1 1",
            "Wrong number of arguments in buffer limit configuration.",
        ),
        (
            "shutdown-on-sigterm",
            "nosave bla",
            "argument(s) must be one of the following: default, save, nosave, now, force",
        ),
        ("tcp-backlog", "3", "can't set immutable config"),
        ("dir", "/tmp", "can't set protected config"),
    ],
)
def test_a_refusal_says_why_in_the_words_of_redis(name, text, reason):
    """As redis-server 7.0.15 answers CONFIG SET for each."""
    with pytest.raises(SettingError) as caught:
        load().set({name: text})
    assert (caught.value.name, caught.value.value, caught.value.reason) == (name, text, reason)


def test_set_takes_all_changes_or_none():
    settings = load()
    with pytest.raises(SettingError) as caught:
        settings.set({"maxmemory": "1kb", "maxmemory-policy": "nono"})
    assert (caught.value.name, settings.maxmemory) == ("maxmemory-policy", 0)


def test_an_unknown_name_is_found_before_any_other_fault():
    with pytest.raises(UnknownOption) as caught:
        load().set([("tcp-backlog", "5"), ("hz2", "6"), ("port2", "6")])
    assert caught.value.name == "hz2"


def test_a_name_given_twice_is_refused():
    with pytest.raises(SettingError, match="duplicate parameter"):
        load().set([("maxmemory", "1"), ("MAXMEMORY", "2")])


def test_an_alias_sets_the_same_value():
    settings = load("slave-read-only no")
    assert (settings.replica_read_only, settings.get("*-read-only")) == (
        False,
        [("replica-read-only", "no"), ("slave-read-only", "no")],
    )


def test_protected_options_change_where_it_is_allowed():
    settings = load()
    settings.set({"dir": "/var/lib"}, protected=True)
    assert settings.dir == "/var/lib"


def test_get_matches_patterns_in_any_case_and_keeps_the_asked_spelling():
    settings = load()
    assert settings.get("MAXMEM*") == [
        ("maxmemory", "0"),
        ("maxmemory-clients", "0"),
        ("maxmemory-policy", "noeviction"),
        ("maxmemory-samples", "5"),
    ]
    assert settings.get("Port", "port", "nosuch", "maxmemor[^x]") == [("Port", "6379"), ("maxmemory", "0")]


def test_hidden_options_stand_in_files_only():
    settings = load("rename-command FLUSHALL gone\nrename-command KEYS ''")
    assert settings.rename_command == ("FLUSHALL", "gone", "KEYS", "")
    assert settings.get("rename*") == []
    with pytest.raises(UnknownOption):
        settings.set({"rename-command": "a b"})


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ("save 60 1\nsave 70 2", ((60, 1), (70, 2))),
        ("save 60 1 50 2", ((60, 1), (50, 2))),
        ('save "60 1"', ((60, 1),)),
        ('save 60 1\nsave ""', ()),
        ('save ""\nsave 60 1', ((60, 1),)),
    ],
)
def test_lines_of_a_multiple_option_add_up(lines, kept):
    """As redis-server 7.0.15 takes each of them."""
    assert load(lines).save == kept


def test_arguments_add_to_the_lines_of_the_file():
    """redis-server 7.0.15: a file with `save 60 1`, then --save "70 2" --save 80 3."""
    arguments = read_arguments(["--save", "70 2", "--save", "80", "3"])
    settings = REDIS.load(read_redis_conf("save 60 1"), arguments.given)
    assert settings.text("save") == "60 1 70 2 80 3"


def test_set_replaces_what_lines_would_add_to():
    settings = load("save 60 1")
    settings.set({"save": "9 9"})
    assert settings.save == ((9, 9),)


def test_a_kind_may_amend_what_was_there():
    settings = load()
    settings.set({"client-output-buffer-limit": "normal 1mb 2mb 60"})
    assert settings.text("client-output-buffer-limit") == (
        "normal 1048576 2097152 60 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("maxmemory foo", "redis.conf, line 2: 'maxmemory foo': argument must be a memory value"),
        ("nosuch 1", "redis.conf, line 2: 'nosuch 1': Bad directive or wrong number of arguments"),
        ("port", "redis.conf, line 2: 'port': wrong number of arguments"),
        ("port 1 2", "redis.conf, line 2: 'port 1 2': wrong number of arguments"),
        ("save 60 1000 x", "redis.conf, line 2: 'save 60 1000 x': Invalid save parameters"),
        ('save "60', "redis.conf, line 2: 'save \"60': Unbalanced quotes in configuration line"),
        ("requirepass a b", "redis.conf, line 2: 'requirepass (secret)': wrong number of arguments"),
    ],
)
def test_a_bad_line_says_where_it_stood(line, message):
    with pytest.raises(SettingError) as caught:
        load("# a comment\n" + line)
    assert str(caught.value) == message


def test_listeners_hear_of_changes_once_a_set():
    settings, heard = load(), []
    settings.on_change(lambda s: heard.append((s.maxmemory, s.maxmemory_policy)), "maxmemory", "maxmemory-policy")
    settings.set({"maxmemory": "1kb", "maxmemory-policy": "allkeys-lru"})
    settings.set({"maxmemory": "1024"})
    settings.set({"timeout": "5"})
    assert heard == [(1024, "allkeys-lru")]


def test_a_listener_that_refuses_leaves_everything_as_it_was():
    settings, ports = load(), []

    def move(settings):
        if settings.port == 1:
            raise ValueError("Unable to listen on this port. Check server logs.")

    settings.on_change(lambda s: ports.append(s.port), "port")
    settings.on_change(move, "port")
    with pytest.raises(SettingError, match="Unable to listen"):
        settings.set({"port": "1", "timeout": "7"})
    assert (settings.port, settings.timeout, ports) == (6379, 0, [1, 6379])


def test_options_without_effect_are_answered_and_listed_when_given():
    settings = load("jemalloc-bg-thread no\nport 1")
    assert settings.without_effect == ["jemalloc-bg-thread"]
    assert settings.get("jemalloc*") == [("jemalloc-bg-thread", "no")]
    assert load().without_effect == []


def test_help_shows_values_meaning_and_whose_option_it_is():
    text = REDIS.help_text()
    assert "  --timeout seconds\n      Close a client that is silent for so long. (default 0)" in text
    assert "  --admin-port number\n      Metrics over HTTP. (default 0, ours, fixed while running)" in text
    assert "  --appendfsync everysec|always|no\n      (default everysec)" in text


def test_a_table_refuses_two_options_of_one_name():
    with pytest.raises(AssertionError, match="stands twice"):
        Table([*REDIS.options, REDIS.options[0]])

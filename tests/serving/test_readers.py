import errno

import pytest

from serving.config import Given, SettingError
from serving.readers import (
    Arguments,
    read_arguments,
    read_environment,
    read_properties,
    read_rabbitmq_conf,
    read_redis_conf,
    read_toml,
)
from tests.serving.redis_options import REDIS


def pairs(given):
    return [(name, list(words)) for name, words, _ in given]


def test_redis_conf_has_comments_blank_lines_and_names_in_any_case():
    text = '# c\n\n  PORT 1\r\nsave 60 1 # 2\nrequirepass "#x"\n'
    assert list(read_redis_conf(text)) == [
        Given("port", ["1"], "redis.conf, line 3"),
        Given("save", ["60", "1", "#", "2"], "redis.conf, line 4"),
        Given("requirepass", ["#x"], "redis.conf, line 5"),
    ]


def test_an_include_counts_where_it_stands():
    files = {"conf.d/*": [("a", "port 1"), ("b", "include c")], "c": [("c", "port 3")]}
    given = read_redis_conf("port 0\ninclude conf.d/*\nport 9", "top", files.__getitem__)
    assert [(words, where) for _, words, where in given] == [
        (["0"], "top, line 1"),
        (["1"], "a, line 1"),
        (["3"], "c, line 1"),
        (["9"], "top, line 3"),
    ]


def test_an_include_that_is_not_there_or_never_ends_says_where():
    def absent(pattern):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", pattern)

    with pytest.raises(SettingError, match=r"^top, line 1: 'include x': No such file or directory$"):
        list(read_redis_conf("include x", "top", absent))
    with pytest.raises(SettingError, match="more than 16 files deep"):
        list(read_redis_conf("include x", "top", lambda _: [("x", "include x")]))


def test_java_properties_join_lines_and_know_escapes():
    """The examples of java.util.Properties.load, and Kafka's own habits."""
    text = (
        "# comment\n! comment\n\nTruth = Beauty\n"
        " Truth2:Beauty\nTruth3    :Beauty\nempty\n"
        "fruits   apple, banana, \\\n         cantaloupe\n"
        "path=c:\\\\x\\\\\nkey\\ with\\=:v\\u0041\\t=\nlast=x\\"
    )
    assert pairs(read_properties(text)) == [
        ("Truth", ["Beauty"]),
        ("Truth2", ["Beauty"]),
        ("Truth3", ["Beauty"]),
        ("empty", [""]),
        ("fruits", ["apple, banana, cantaloupe"]),
        ("path", ["c:\\x\\"]),
        ("key with=", ["vA\t="]),
        ("last", ["x"]),
    ]
    assert [given.where for given in read_properties("\na=1\\\n2\nb=1")] == [
        "server.properties, line 2",
        "server.properties, line 4",
    ]


def test_rabbitmq_conf_has_dotted_names_quotes_and_comments_anywhere():
    text = (
        "# c\nlisteners.tcp.default = 5672\n default_pass = secret # not a part\n"
        "default_user = 'a # b'  # c\nvhost\\.x.y = one two\nempty = ''\n"
    )
    assert pairs(read_rabbitmq_conf(text)) == [
        ("listeners.tcp.default", ["5672"]),
        ("default_pass", ["secret"]),
        ("default_user", ["a # b"]),
        ("vhost.x.y", ["one two"]),
        ("empty", [""]),
    ]


@pytest.mark.parametrize("line", ["no value", "x =", "= 5", "a b = 5"])
def test_a_line_that_is_not_rabbitmqs_says_where(line):
    with pytest.raises(SettingError) as caught:
        list(read_rabbitmq_conf("\n" + line))
    assert str(caught.value) == f"rabbitmq.conf, line 2: '{line}': expected: name = value"


def test_rabbitmq_conf_includes_files():
    given = read_rabbitmq_conf("include conf.d/*.conf", "r", lambda _: [("a", "x = 1")])
    assert list(given) == [Given("x", ["1"], "a, line 1")]


def test_toml_joins_names_with_dots_and_lists_into_words():
    text = 'port = 80\n[log]\njson = true\nrate = 0.5\n[[up]]\nhosts = ["a", "b"]\n[[up]]\nhosts = []'
    assert list(read_toml(text, "lb.toml")) == [
        Given("port", ["80"], "lb.toml, port"),
        Given("log.json", ["true"], "lb.toml, log.json"),
        Given("log.rate", ["0.5"], "lb.toml, log.rate"),
        Given("up.0.hosts", ["a", "b"], "lb.toml, up.0.hosts"),
        Given("up.1.hosts", [], "lb.toml, up.1.hosts"),
    ]


def test_broken_toml_says_where():
    with pytest.raises(SettingError, match=r"mini\.toml: .*line 2"):
        list(read_toml("a = 1\nb = =\n"))


def test_the_environment_speaks_in_upper_case_and_underscores():
    environment = {
        "MINI_REDIS_TCP_BACKLOG": "5",
        "MINI_REDIS_SAVE": "6 1 7 2",
        "PATH": "/bin",
        "MINI_REDIS_X": "",
    }
    given = list(read_environment(environment, "MINI_REDIS_", REDIS))
    assert given == [
        Given("save", ["6 1 7 2"], "MINI_REDIS_SAVE"),
        Given("tcp-backlog", ["5"], "MINI_REDIS_TCP_BACKLOG"),
        Given("x", [""], "MINI_REDIS_X"),
    ]
    assert REDIS.load(given[:2]).save == ((6, 1), (7, 2))


@pytest.mark.parametrize(
    ("words", "file", "options"),
    [
        ([], None, []),
        (["redis.conf"], "redis.conf", []),
        (["redis.conf", "--port", "1"], "redis.conf", [("port", ["1"])]),
        (["--save", "60 1", "--save", "70", "2"], None, [("save", ["60 1"]), ("save", ["70", "2"])]),
        (["--save", "", "--port", "1"], None, [("save", [""]), ("port", ["1"])]),
        (["--save", "--port", "1"], None, [("save", [""]), ("port", ["1"])]),
        (["--port", "1", "--save"], None, [("port", ["1"]), ("save", [""])]),
        (["--port 1", "--Bind", "a", "b"], None, [("port", ["1"]), ("bind", ["a", "b"])]),
        (
            ["--requirepass", "--secret", "--port", "1"],
            None,
            [("requirepass", ["--secret"]), ("port", ["1"])],
        ),
        (["--port"], None, [("port", [])]),
    ],
)
def test_arguments_are_read_as_redis_server_reads_them(words, file, options):
    """Each line was tried with redis-server 7.0.15."""
    arguments = read_arguments(words)
    assert (arguments.config_file, arguments.standard_input) == (file, False)
    assert pairs(arguments.given) == options


@pytest.mark.parametrize(
    ("words", "result"),
    [
        (["-"], Arguments(None, True, [])),
        (["-", "--port", "1"], Arguments(None, True, [Given("port", ["1"], "--port")])),
        (["f", "--port", "1", "-"], Arguments("f", True, [Given("port", ["1"], "--port")])),
    ],
)
def test_a_lone_dash_asks_for_standard_input(words, result):
    assert read_arguments(words) == result


def test_a_word_that_belongs_to_nothing_is_refused():
    with pytest.raises(SettingError, match="arguments: '-x': Bad directive or wrong number of arguments"):
        read_arguments(["-x"])

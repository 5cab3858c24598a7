"""EVAL: conversions, errors with their line, the sandbox, the libraries, and scripts that take too long."""

import pytest

from tests.miniredis.engine_fixtures import Redis


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.mark.parametrize(
    ("program", "resp2"),
    [
        ("return 3.99", b":3\r\n"),
        ("return 'text'", b"$4\r\ntext\r\n"),
        ("return {1,'a',false,true,nil,4}", b"*4\r\n:1\r\n$1\r\na\r\n$-1\r\n:1\r\n"),
        ("return nil", b"$-1\r\n"),
        ("return {ok='FINE'}", b"+FINE\r\n"),
        ("return {err='MY error'}", b"-MY error\r\n"),
        ("return redis.error_reply('nospace')", b"-ERR nospace\r\n"),
        ("return redis.status_reply('FINE')", b"+FINE\r\n"),
        ("return {double=3.5}", b"$3\r\n3.5\r\n"),
        ("return redis.sha1hex('a')", b"$40\r\n86f7e437faa5a7fce15d1ddcb9eaeaea377667b8\r\n"),
        ("return redis.call('ping')", b"+PONG\r\n"),
        ("return redis.call('get', 'nothing') == false", b":1\r\n"),
        ("return redis.pcall('nosuch').err", b"$44\r\nERR Unknown Redis command called from script\r\n"),
        ("return {KEYS[1], ARGV[1]}", b"*2\r\n$1\r\nk\r\n$1\r\na\r\n"),
        ("return cjson.encode({1,2,{a='b/c'},1.5,1e20})", b'$33\r\n[1,2,{"a":"b\\/c"},1.5,1e+20]\r\n'),
        ("return cjson.decode('[1,null]')[2] == cjson.null", b":1\r\n"),
        ("return cmsgpack.pack({1,2,a=3},'x',1.5,-1)", b"$16\r\n\x83\x01\x01\x02\x02\xa1a\x03\xa1x\xca?\xc0\0\0\xff\r\n"),
        ("return struct.pack('>I2i4s', 1,2,'abc')", b"$10\r\n\0\x01\0\0\0\x02abc\0\r\n"),
        ("return {struct.unpack('>I2i4s', struct.pack('>I2i4s', 1, -2, 'abc'))}", b"*4\r\n:1\r\n:-2\r\n$3\r\nabc\r\n:11\r\n"),
        ("return bit.tohex(65535, 8)", b"$8\r\n0000ffff\r\n"),
        ("return {bit.band(255, 15), bit.bor(1, 6), bit.bxor(5, 1), bit.bnot(0), bit.lshift(1, 31)}",
         b"*5\r\n:15\r\n:7\r\n:4\r\n:-1\r\n:-2147483648\r\n"),
        ("local t = cmsgpack.unpack(cmsgpack.pack({a={1,2}})) return t.a[2]", b":2\r\n"),
    ],
)  # fmt: skip
def test_values_cross_the_border_as_in_redis(redis, program, resp2):
    """Recorded from redis-server 7.0.15."""
    expected = resp2 if not program.startswith("return cjson.encode") else None
    reply = redis("EVAL", program, 1, "k", "a")
    assert reply == (expected or b'$28\r\n[1,2,{"a":"b\\/c"},1.5,1e+20]\r\n')


@pytest.mark.parametrize(
    ("program", "message", "line"),
    [
        ("return redis.call('set','k')", "ERR Wrong number of args calling Redis command from script", 1),
        ("\nreturn redis.call('nosuch')", "ERR Unknown Redis command called from script", 2),
        ("return foo", "ERR user_script:1: Script attempted to access nonexistent global variable 'foo'", 1),
        ("foo=1", "ERR user_script:1: Attempt to modify a readonly table", 1),
        ("redis.x=1", "ERR user_script:1: Attempt to modify a readonly table", 1),
        ("string.x=1", "ERR user_script:1: Attempt to modify a readonly table", 1),
        ("setmetatable(_G, {})", "ERR Attempt to modify a readonly table", 1),
        ("rawset(_G, 'x', 1)", "ERR Attempt to modify a readonly table", 1),
        ("error('x')", "ERR user_script:1: x", 1),
        ("error({err='My Err'})", "My Err", 1),
        ("error({})", "ERR unknown error", 1),
        ("return redis.call()", "ERR Please specify at least one argument for this redis lib call", 1),
        ("return redis.call('get',{})", "ERR Lua redis lib command arguments must be strings or integers", 1),
        ("return redis.call('eval','return 1',0)", "ERR This Redis command is not allowed from script", 1),
        ("return cjson.decode('{')",
         "ERR user_script:1: Expected object key string but found T_END at character 2", 1),
        ("#!lua flags=no-writes\nreturn redis.call('set','a','b')",
         "ERR Write commands are not allowed from read-only scripts.", 2),
    ],
)  # fmt: skip
def test_an_error_names_the_script_and_its_line(redis, program, message, line):
    sha = redis("SCRIPT", "LOAD", program).split(b"\r\n")[1].decode()
    expected = f"-{message} script: {sha}, on @user_script:{line}.\r\n"
    assert redis("EVAL", program, 0).decode() == expected


@pytest.mark.parametrize(
    "name", ["python", "io", "package", "debug", "os", "require", "module", "dofile", "loadfile", "newproxy", "print",
             "getfenv", "setfenv"],
)  # fmt: skip
def test_nothing_dangerous_is_within_reach(redis, name):
    assert b"nonexistent global variable" in redis("EVAL", f"return type({name})", 0)


@pytest.mark.parametrize(
    "program",
    [
        "return redis.call.__globals__",
        "return getmetatable(redis.call)",
        "return tostring(getmetatable(cjson.null) or cjson.null.__class__)",
        "return loadstring(string.dump(function() return 1 end)) == nil",
        "getmetatable('').__index = {}",
        "return pcall(redis.call, 'nosuch')",
    ],
)
def test_no_python_object_is_within_reach(redis, program):
    reply = redis("EVAL", program, 0)
    assert b"python" not in reply.lower().replace(b"pythonx", b"") and b"<" not in reply
    assert redis("EVAL", "return ('x'):upper()", 0) == b"$1\r\nX\r\n"


def test_one_script_leaves_no_trace_for_the_next(redis):
    redis("EVAL", "local t = {} for k, v in pairs(string) do t[k] = v end t.upper = nil return 1", 0)
    redis("EVAL", "rawset(math, 'pi', 3) return 1", 0)
    assert redis("EVAL", "return {math.floor(math.pi * 100), ('a'):upper()}", 0) == b"*2\r\n:314\r\n$1\r\nA\r\n"


def test_the_dice_fall_alike_in_every_script(redis):
    program = "return tostring(math.random()) .. math.random(10) .. math.random(5, 6)"
    assert redis("EVAL", program, 0) == redis("EVAL", program, 0)


def test_a_script_is_kept_by_its_sha(redis):
    sha = redis("SCRIPT", "LOAD", "return ARGV[1]").split(b"\r\n")[1]
    assert redis("EVALSHA", sha.upper(), 0, "x") == b"$1\r\nx\r\n"
    assert redis("SCRIPT", "EXISTS", sha, "0" * 40) == b"*2\r\n:1\r\n:0\r\n"
    assert redis("SCRIPT", "FLUSH") == b"+OK\r\n"
    assert redis("EVALSHA", sha, 0) == b"-NOSCRIPT No matching script. Please use EVAL.\r\n"


def test_effects_are_written_down_as_one_unit_and_not_the_script(redis):
    redis("EVAL", "redis.call('set','a',1) redis.call('incr','a') redis.call('get','a')", 0)
    assert [[list(words) for _, words in unit] for unit in redis.written] == [[[b"set", b"a", b"1"], [b"incr", b"a"]]]


def test_effects_can_be_kept_out_of_the_log(redis):
    redis("EVAL", "redis.set_repl(redis.REPL_NONE) redis.call('set','a',1) redis.set_repl(redis.REPL_ALL) "
                  "redis.call('set','b',1)", 0)  # fmt: skip
    assert [[list(words) for _, words in unit] for unit in redis.written] == [[[b"set", b"b", b"1"]]]


def test_what_ran_before_an_error_has_happened(redis):
    redis("EVAL", "redis.call('set','a',1) error('late')", 0)
    assert redis("GET", "a") == b"$1\r\n1\r\n"


def test_read_only_scripts_cannot_write(redis):
    reply = redis("EVAL_RO", "return redis.call('set','a',1)", 0)
    assert reply.startswith(b"-ERR Write commands are not allowed from read-only scripts.")
    assert redis("EVAL_RO", "return redis.call('exists','a')", 0) == b":0\r\n"


ENDLESS = [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "local c = coroutine.wrap(function() while true do end end) c()",
    "local c = coroutine.create(function() while true do pcall(function() while true do end end) end end) "
    "while true do coroutine.resume(c) end",
]


@pytest.mark.parametrize("program", ENDLESS)
def test_an_endless_script_is_killed_whatever_it_catches(redis, program):
    """Time runs on by a second at each look; somebody asks for SCRIPT KILL when the script is declared busy."""
    engine, other = redis.engine, redis.connect()

    def meanwhile() -> None:
        assert redis("GET", "k", client=other) == (
            b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n"
        )
        assert redis("SCRIPT", "KILL", client=other) == b"+OK\r\n"

    engine.serve_while_busy = meanwhile
    ticks = iter(range(10**9))
    redis.clock.monotonic_us = lambda: next(ticks) * 1_000_000
    reply = redis("EVAL", program, 0)
    assert b"Script killed by user with SCRIPT KILL" in reply
    assert redis("PING", client=other) == b"+PONG\r\n"


def test_a_script_that_has_written_cannot_be_killed(redis):
    engine, other = redis.engine, redis.connect()
    answers = []

    def meanwhile() -> None:
        answers.append(redis("SCRIPT", "KILL", client=other))
        if len(answers) == 3:
            engine.scripts.kill_asked = True

    engine.serve_while_busy = meanwhile
    ticks = iter(range(10**9))
    redis.clock.monotonic_us = lambda: next(ticks) * 1_000_000
    redis("EVAL", "redis.call('set','a',1) while true do end", 0)
    assert {answer[:12] for answer in answers} == {b"-UNKILLABLE "}


def test_in_simulation_a_budget_of_instructions_ends_a_script(redis):
    redis.engine.script_instructions_max = 1_000_000
    assert b"Script killed" in redis("EVAL", "while true do end", 0)
    assert redis("SCRIPT", "KILL") == b"-NOTBUSY No scripts in execution right now.\r\n"

"""TIME, ROLE, MONITOR, LOLWUT; SAVE and its family; SHUTDOWN; WAIT and WAITAOF."""

from miniredis.host import NoHost, ShutdownWish
from miniredis.persistence.contract import NoPersistence
from tests.miniredis.engine_fixtures import Redis


class Files(NoPersistence):
    """Persistence that writes nothing and remembers what it was asked."""

    def __init__(self):
        super().__init__(now_ms=1_700_000_000_000)
        self.asked, self.waiting, self.works = [], [], True

    def save(self):
        self.asked.append("save")
        return self.works

    def begin_save(self):
        self.asked.append("begin_save")
        return self.works

    def begin_rewrite(self):
        self.asked.append("begin_rewrite")
        return self.works

    def when_durable(self, offset, callback):
        self.waiting.append((offset, callback))

    def reach(self, offset):
        self.durable_offset = offset
        for wanted, callback in self.waiting:
            if wanted <= offset:
                callback()


def with_files(**settings):
    redis = Redis(**settings)
    redis.engine.persistence = Files()
    return redis, redis.engine.persistence


def test_time_and_role():
    redis = Redis()
    assert redis("TIME") == b"*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n"
    assert redis("ROLE") == b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"


def test_a_monitor_sees_commands_as_they_were_said():
    redis = Redis()
    monitor = redis.connect()
    assert redis("MONITOR", client=monitor) == b"+OK\r\n"
    redis("SET", "k", b'a"\n\xff')
    redis("CONFIG", "GET", "port")  # an administrator's
    redis("NOSUCH")
    assert redis.said(monitor) == b'+1700000000.000000 [0 127.0.0.1:50000] "SET" "k" "a\\"\\n\\xff"\r\n'


def test_a_monitor_sees_a_transaction_in_the_order_it_takes_effect():
    redis = Redis()
    monitor = redis.connect()
    redis("MONITOR", client=monitor)
    for line in ("MULTI", "SET k 1", "EXEC"):
        redis(*line.split())
    assert [line.split(b"] ")[1] for line in redis.said(monitor).strip().split(b"\r\n")] == [
        b'"MULTI"', b'"SET" "k" "1"', b'"EXEC"',
    ]  # fmt: skip


def test_the_fast_road_is_free_again_when_the_last_monitor_is_gone():
    redis = Redis()
    monitor = redis.connect()
    redis("MONITOR", client=monitor)
    assert redis.engine.guards == {"monitor"}
    monitor.end()
    assert redis.engine.guards == set()


def test_lolwut_ends_in_the_version():
    redis = Redis()
    assert redis("LOLWUT").endswith(b"Redis ver. 7.2.4\n\r\n")
    assert redis("LOLWUT", "VERSION", "x") == b"-ERR value is not an integer or out of range\r\n"


def test_saving_in_the_foreground_and_in_a_child():
    redis, files = with_files()
    assert (redis("SAVE"), redis("BGSAVE"), redis("BGREWRITEAOF")) == (
        b"+OK\r\n",
        b"+Background saving started\r\n",
        b"+Background append only file rewriting started\r\n",
    )
    assert files.asked == ["save", "begin_save", "begin_rewrite"]
    files.works = False
    assert redis("SAVE") == redis("BGSAVE") == b"-ERR \r\n"
    assert redis("LASTSAVE") == b":1700000000\r\n"


def test_one_child_at_a_time():
    redis, files = with_files()
    files.state.child = "rdb"
    assert redis("SAVE") == redis("BGSAVE") == b"-ERR Background save already in progress\r\n"
    assert redis("BGREWRITEAOF") == b"+Background append only file rewriting scheduled\r\n"
    files.state.child = "aof"
    assert redis("BGREWRITEAOF") == b"-ERR Background append only file rewriting already in progress\r\n"
    assert redis("BGSAVE").startswith(b"-ERR Another child process is active (AOF?)")
    assert redis("BGSAVE", "SCHEDULE") == b"+Background saving scheduled\r\n"
    assert (files.state.save_scheduled, files.state.rewrite_scheduled) == (True, True)


def test_a_child_is_not_forked_in_the_midst_of_a_transaction():
    redis, _ = with_files()
    for line in ("MULTI", "BGSAVE", "SAVE"):
        redis(*line.split())
    assert redis("EXEC").startswith(b"-EXECABORT")  # SAVE may not be queued at all
    for line in ("MULTI", "BGSAVE"):
        redis(*line.split())
    assert redis("EXEC") == b"*1\r\n+Background saving scheduled\r\n"


def test_shutdown_hands_its_wish_on():
    redis = Redis()
    wishes = []

    class Process(NoHost):
        def shut_down(self, wish):
            wishes.append(wish)
            return len(wishes) > 1

    redis.engine.host = Process()
    assert redis("SHUTDOWN") == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
    assert redis("SHUTDOWN", "NOSAVE", "NOW", "FORCE") == b""
    assert wishes == [ShutdownWish(), ShutdownWish(save=False, now=True, force=True)]


def test_shutdown_takes_no_contradictions():
    redis = Redis()
    for words in (("SAVE", "NOSAVE"), ("x",), ("ABORT", "NOW")):
        assert redis("SHUTDOWN", *words) == b"-ERR syntax error\r\n"
    assert redis("SHUTDOWN", "ABORT") == b"-ERR No shutdown in progress.\r\n"


def test_wait_waits_in_vain_without_replicas():
    redis = Redis()
    assert redis("WAIT", 0, 0) == b":0\r\n"
    assert redis("WAIT", 1, 100) == b""
    redis.advance(100)
    assert redis.said(redis.client) == b":0\r\n"


def test_waitaof_waits_for_the_disk():
    redis, files = with_files(appendonly=True)
    files.written_offset = 50
    assert redis("WAITAOF", 1, 0, 0) == b""
    files.reach(40)
    assert redis.said(redis.client) == b""
    files.reach(60)
    assert redis.said(redis.client) == b"*2\r\n:1\r\n:0\r\n"
    assert redis("WAITAOF", 1, 0, 0) == b"*2\r\n:1\r\n:0\r\n"


def test_waitaof_that_runs_out_of_time_says_how_far_it_got():
    redis, files = with_files(appendonly=True)
    files.written_offset = 50
    redis("WAITAOF", 1, 1, 100)
    files.reach(50)
    redis.advance(100)
    assert redis.said(redis.client) == b"*2\r\n:1\r\n:0\r\n"


def test_a_late_fsync_does_not_answer_another_request():
    redis, files = with_files(appendonly=True)
    files.written_offset = 50
    redis("WAITAOF", 1, 0, 100)
    redis.advance(100)
    redis.said(redis.client)
    redis("BZPOPMIN", "z", "0")
    files.reach(50)
    assert redis.said(redis.client) == b""


def test_waitaof_complains():
    redis = Redis()
    assert redis("WAITAOF", 2, 0, 0) == b"-ERR value is out of range, value must between 0 and 1\r\n"
    assert redis("WAITAOF", 0, -1, 0) == b"-ERR value is out of range, must be positive\r\n"
    assert redis("WAITAOF", 0, 0, -1) == b"-ERR timeout is negative\r\n"
    assert redis("WAITAOF", 1, 0, 0) == (
        b"-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\r\n"
    )

"""When files are written and read, and what clients are told: the whole of persistence on one engine, without a socket."""

import asyncio
import errno
from random import Random

import pytest

from durable.disk import DiskError
from miniredis.host import ShutdownWish
from miniredis.persistence.files import FilePersistence, LoadFailed
from miniredis.persistence.snapshotter import StepSnapshotter
from simulation.disk import DiskOptions, SimulatedDisk
from tests.miniredis.engine_fixtures import Redis
from tests.serving.peers import until

LOG = "appendonlydir/appendonly.aof"
MISCONF_LOG = b"-MISCONF Errors writing to the AOF file: "


def new_disk(seed=1):
    return SimulatedDisk(Random(seed), DiskOptions(fsync_s=(0, 0), stall=0))


class Server(Redis):
    """An engine that keeps its data on `disk`."""

    def __init__(self, disk, **settings):
        super().__init__(**{"save": (), **settings})
        self.engine.propagate_to = None
        self.disk = disk
        self.fatal, self.durable = [], []
        self.persistence = FilePersistence(
            self.engine,
            disk,
            StepSnapshotter(disk, lambda seconds, work: asyncio.get_running_loop().call_soon(self.alive, work)),
            on_durable=lambda: self.durable.append(self.persistence.durable_offset),
            on_fatal=self.fatal.append,
        )
        self.engine.persistence = self.persistence
        self.life = disk.life

    def alive(self, work):
        """A child dies with its server."""
        if self.disk.life is self.life:
            work()

    @property
    def state(self):
        return self.persistence.state

    def __call__(self, *words, **options):
        reply = super().__call__(*words, **options)
        self.persistence.flush()
        return reply

    def data(self):
        return {database.index: dict(database.values) for database in self.engine.databases if database.values}

    async def later(self, ms):
        """Let time pass, with the regular work in it."""
        for _ in range(ms // 100):
            self.advance(100)
            self.persistence.tick()
            await asyncio.sleep(0)

    async def child_ends(self):
        await until(lambda: self.state.child is None)


async def started(disk, **settings):
    server = Server(disk, **settings)
    await server.persistence.start()
    return server


async def killed_and_started(server, **settings):
    server.disk.crash()
    return await started(server.disk, **settings)


# -- the log --------------------------------------------------------------------------------------------------------


async def test_what_was_written_is_there_after_a_kill():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    server("SELECT", 3)
    server("RPUSH", "l", 1, 2, 3)
    again = await killed_and_started(server, appendonly=True)
    assert {number: sorted(keys) for number, keys in again.data().items()} == {0: [b"a"], 3: [b"l"]}
    assert (again.engine.dirty, again.engine.loading, again.engine.guards) == (0, False, set())


async def test_a_first_start_leaves_base_increment_and_manifest_as_redis_does():
    server = await started(new_disk(), appendonly=True)
    assert server.disk.listdir("appendonlydir") == [
        "appendonly.aof.1.base.rdb",
        "appendonly.aof.1.incr.aof",
        "appendonly.aof.manifest",
    ]
    assert server.disk.read(f"{LOG}.manifest") == (
        b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    )


async def test_without_appendonly_no_log_is_kept():
    server = await started(new_disk())
    server("SET", "a", 1)
    assert (server.persistence.appending, server.disk.listdir(".")) == (False, [])


async def test_a_rewrite_leaves_a_base_with_everything_and_what_came_meanwhile():
    server = await started(new_disk(), appendonly=True)
    for number in range(100):
        server("SET", "a", number)
    assert server("BGREWRITEAOF") == b"+Background append only file rewriting started\r\n"
    server("SET", "b", 1)
    assert server("BGREWRITEAOF") == b"-ERR Background append only file rewriting already in progress\r\n"
    await server.child_ends()
    server("SET", "c", 1)
    assert server.disk.listdir("appendonlydir") == [
        "appendonly.aof.2.base.rdb",
        "appendonly.aof.2.incr.aof",
        "appendonly.aof.manifest",
    ]
    again = await killed_and_started(server, appendonly=True)
    assert again.data() == {0: {b"a": b"99", b"b": b"1", b"c": b"1"}}


async def test_a_kill_in_the_middle_of_a_rewrite_loses_nothing():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    server("BGREWRITEAOF")
    server("SET", "b", 1)
    again = await killed_and_started(server, appendonly=True)
    assert again.data() == {0: {b"a": b"1", b"b": b"1"}}
    again("SET", "c", 1)
    again("BGREWRITEAOF")
    await again.child_ends()
    third = await killed_and_started(again, appendonly=True)
    assert sorted(third.data()[0]) == [b"a", b"b", b"c"]
    assert len(third.disk.listdir("appendonlydir")) == 3


async def test_a_log_that_has_doubled_is_rewritten():
    server = await started(new_disk(), appendonly=True, auto_aof_rewrite_min_size=2000)
    while server.state.log_size <= 2000:
        server("SET", "a", "x" * 50)
    await server.later(100)
    assert server.state.child == "aof"
    await server.child_ends()
    assert (server.state.rewrites, server.state.log_size < 200) == (1, True)
    await server.later(1000)
    assert server.state.rewrites == 1


async def test_everysec_makes_durable_what_is_older_than_a_second():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    await server.later(1200)
    assert server.persistence.durable_offset == server.persistence.written_offset > 0
    server.disk.power_loss()
    assert (await started(server.disk, appendonly=True)).data() == {0: {b"a": b"1"}}


async def test_always_calls_durable_what_an_fsync_has_covered():
    server = await started(new_disk(), appendonly=True, appendfsync="always")
    server("SET", "a", 1)
    offset = server.persistence.written_offset
    assert (server.persistence.gating, server.persistence.durable_offset < offset) == (True, True)
    waited = []
    server.persistence.when_durable(offset, lambda: waited.append("yes"))
    await until(lambda: server.durable)
    assert (server.durable[-1], waited) == (offset, ["yes"])
    server.disk.power_loss()
    assert (await started(server.disk, appendonly=True)).data() == {0: {b"a": b"1"}}


async def test_waitaof_is_answered_when_the_write_is_on_the_disk():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    assert server("WAITAOF", 1, 0, 0) == b""
    await server.later(1200)
    assert server.said(server.client) == b"*2\r\n:1\r\n:0\r\n"


async def test_no_fsync_while_a_child_writes_when_asked():
    server = await started(new_disk(), appendonly=True, appendfsync="always", no_appendfsync_on_rewrite=True)
    server("BGSAVE")
    fsyncs = server.disk.fsyncs
    server("SET", "a", 1)
    assert (server.persistence.gating, server.disk.fsyncs) == (False, fsyncs)
    await server.child_ends()
    await server.later(100)
    await asyncio.sleep(0.01)
    assert server.persistence.durable_offset == server.persistence.written_offset


# -- switching the log on and off ------------------------------------------------------------------------------------


async def test_switched_on_the_log_begins_with_what_is_there():
    server = await started(new_disk())
    server("SET", "a", 1)
    assert server("CONFIG", "SET", "appendonly", "yes") == b"+OK\r\n"
    server("SET", "b", 1)
    assert server.persistence.durable_offset == 0
    await server.child_ends()
    server("SET", "c", 1)
    again = await killed_and_started(server, appendonly=True)
    assert sorted(again.data()[0]) == [b"a", b"b", b"c"]
    assert again.disk.read(f"{LOG}.manifest") == (
        b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    )


async def test_killed_before_the_first_base_is_there_the_old_log_stands():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    server("CONFIG", "SET", "appendonly", "no")
    server("SET", "b", 1)
    server("CONFIG", "SET", "appendonly", "yes")
    again = await killed_and_started(server, appendonly=True)
    assert again.data() == {0: {b"a": b"1"}}
    assert "temp-appendonly.aof.incr" not in again.disk.listdir("appendonlydir")


async def test_switched_off_nothing_more_is_written():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    server("CONFIG", "SET", "appendonly", "no")
    server("SET", "b", 1)
    assert (server.persistence.appending, server.engine.pending) == (False, [])
    assert (await killed_and_started(server, appendonly=True)).data() == {0: {b"a": b"1"}}


async def test_a_log_that_cannot_be_switched_on_stays_off():
    server = await started(new_disk())
    server.disk.open("appendonlydir", "x").close()
    assert server("CONFIG", "SET", "appendonly", "yes") == (
        b"-ERR CONFIG SET failed (possibly related to argument 'appendonly') - "
        b"Unable to turn on AOF. Check server logs.\r\n"
    )
    assert server("CONFIG", "GET", "appendonly") == b"*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"


async def test_a_rewrite_without_a_log_leaves_a_base_that_a_log_can_begin_with():
    server = await started(new_disk())
    server("SET", "a", 1)
    assert server("BGREWRITEAOF") == b"+Background append only file rewriting started\r\n"
    await server.child_ends()
    assert server.disk.read(f"{LOG}.manifest") == b"file appendonly.aof.1.base.rdb seq 1 type b\n"
    again = await killed_and_started(server, appendonly=True)
    again("SET", "b", 1)
    assert sorted((await killed_and_started(again, appendonly=True)).data()[0]) == [b"a", b"b"]


# -- failures --------------------------------------------------------------------------------------------------------


async def test_a_full_disk_refuses_writes_until_there_is_room():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    server.disk.options.capacity = server.disk.size(f"{LOG}.1.base.rdb") + server.disk.size(f"{LOG}.1.incr.aof") + 100
    server("SET", "b", "x" * 200)
    assert (server.state.last_write_ok, server.fatal) == (False, [])
    assert server("SET", "c", 1).startswith(MISCONF_LOG + b"No space left on device")
    assert server("GET", "a") == b"$1\r\n1\r\n"
    server.disk.options.capacity = None
    await server.later(1200)
    assert (server.state.last_write_ok, server("SET", "d", 1)) == (True, b"+OK\r\n")
    again = await killed_and_started(server, appendonly=True)
    assert sorted(again.data()[0]) == [b"a", b"b", b"d"]


async def test_under_always_a_failed_write_ends_the_server_before_it_answers():
    server = await started(new_disk(), appendonly=True, appendfsync="always")
    server.disk.fail_next("append", errno.EIO)
    server("SET", "a", 1)
    assert len(server.fatal) == 1 and server.persistence.durable_offset < server.persistence.written_offset


async def test_under_always_a_failed_fsync_ends_the_server_and_the_gate_stays_shut():
    server = await started(new_disk(), appendonly=True, appendfsync="always")
    server.disk.fail_next("fsync", errno.EIO)
    server("SET", "a", 1)
    await until(lambda: server.fatal)
    assert server.durable == []


async def test_after_a_failed_fsync_everysec_refuses_writes_until_a_new_log_holds_everything():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    server.disk.fail_next("fsync", errno.EIO)
    while server.persistence.log.error is None:
        await server.later(100)
    assert server("SET", "b", 1).startswith(MISCONF_LOG)
    await server.later(500)
    await server.child_ends()
    assert (server.state.last_write_ok, server("SET", "c", 1)) == (True, b"+OK\r\n")
    await server.later(1200)
    server.disk.power_loss()
    assert sorted((await started(server.disk, appendonly=True)).data()[0]) == [b"a", b"c"]


async def test_rewrites_that_fail_are_put_off_for_longer_and_longer():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    attempts = []
    for second in range(400):
        server.state.rewrite_scheduled = True
        server.disk.options.capacity = 0
        rewrites = server.state.rewrites
        await server.later(1000)
        if server.state.child:
            await server.child_ends()
        if server.state.rewrites > rewrites:
            attempts.append(second)
    assert attempts == [0, 1, 2, 62, 182]
    assert (server.state.rewrite_failures, server.state.last_rewrite_ok) == (5, False)


# -- snapshots -------------------------------------------------------------------------------------------------------


async def test_a_snapshot_is_what_a_server_without_a_log_starts_from():
    server = await started(new_disk())
    server("SET", "a", 1)
    assert (server("SAVE"), server.engine.dirty) == (b"+OK\r\n", 0)
    again = await killed_and_started(server)
    assert (again.data(), again.state.keys_loaded) == ({0: {b"a": b"1"}}, 1)


async def test_a_background_save_sees_the_moment_it_was_asked():
    server = await started(new_disk())
    server("SET", "a", 1)
    assert server("BGSAVE") == b"+Background saving started\r\n"
    server("SET", "b", 1)
    assert server("BGSAVE") == b"-ERR Background save already in progress\r\n"
    assert server("SAVE") == b"-ERR Background save already in progress\r\n"
    await server.child_ends()
    assert (server.engine.dirty, server.state.last_save_ok) == (1, True)
    assert (await killed_and_started(server)).data() == {0: {b"a": b"1"}}


async def test_save_points_save_when_enough_has_changed_for_long_enough():
    server = await started(new_disk(), save=((60, 3),))
    server("SET", "a", 1)
    server("SET", "b", 1)
    await server.later(61_000)
    assert server.state.saves == 0
    server("SET", "c", 1)
    await server.later(100)
    assert (server.state.saves, server.state.child) == (1, "rdb")
    await server.child_ends()
    assert server.engine.dirty == 0
    await server.later(61_000)
    assert server.state.saves == 1


async def test_a_failed_snapshot_refuses_writes_until_one_succeeds():
    server = await started(new_disk(), save=((60, 1),))
    server("SET", "a", 1)
    server.disk.fail_next("append")
    server("BGSAVE")
    await server.child_ends()
    assert server("SET", "b", 1).startswith(b"-MISCONF Redis is configured to save RDB snapshots")
    assert server("GET", "a") == b"$1\r\n1\r\n"
    assert server.disk.listdir(".") == []
    server("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    await server.later(100)
    assert server("SET", "b", 1) == b"+OK\r\n"
    server("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    assert server("SAVE") == b"+OK\r\n"
    assert server("SET", "c", 1) == b"+OK\r\n"


async def test_a_snapshot_asked_for_while_the_log_is_rewritten_comes_after_it():
    server = await started(new_disk(), appendonly=True)
    server("BGREWRITEAOF")
    assert server("BGSAVE").startswith(b"-ERR Another child process is active (AOF?)")
    assert server("BGSAVE", "SCHEDULE") == b"+Background saving scheduled\r\n"
    await server.child_ends()
    await server.later(100)
    assert (server.state.child, server.state.save_scheduled) == ("rdb", False)


async def test_flushall_ends_a_snapshot_under_way_and_empties_the_file():
    server = await started(new_disk(), save=((3600, 1),))
    server("SET", "a", 1)
    server("SAVE")
    server("BGSAVE")
    assert (server("FLUSHALL"), server.state.child) == (b"+OK\r\n", None)
    assert (await killed_and_started(server)).data() == {}
    assert server.disk.listdir(".") == ["dump.rdb"]


async def test_flushall_reaches_the_log_though_the_snapshot_counts_changes_anew():
    server = await started(new_disk(), save=((3600, 1),), appendonly=True)
    server("SET", "a", 1)
    server("SAVE")
    server("FLUSHALL")
    assert (await killed_and_started(server, appendonly=True)).data() == {}


# -- the start and the end -------------------------------------------------------------------------------------------


async def test_a_long_start_answers_others_in_between():
    server = await started(new_disk(), appendonly=True)
    for number in range(30_000):
        server.engine.databases[0].store(b"key:%d" % number, b"x")
    server.persistence.begin_rewrite()
    await server.child_ends()
    server.disk.crash()
    again = Server(server.disk, appendonly=True)
    loading = asyncio.ensure_future(again.persistence.start())
    await asyncio.sleep(0)
    assert again("GET", "a") == b"-LOADING Redis is loading the dataset in memory\r\n"
    assert 0 < again.state.loading_done_bytes < again.state.loading_total_bytes
    await loading
    assert len(again.engine.databases[0]) == 30_000


@pytest.mark.parametrize(
    ("path", "settings"),
    [("dump.rdb", {}), (f"{LOG}.manifest", {"appendonly": True}), (f"{LOG}.1.incr.aof", {"appendonly": True})],
)
async def test_a_damaged_file_is_a_reason_not_to_start(path, settings):
    server = await started(new_disk(), **settings)
    server("SET", "a", 1)
    server("SAVE")
    server.disk.open(path, "w").append(b"nonsense\n")
    with pytest.raises(LoadFailed):
        await killed_and_started(server, **settings)


async def test_a_missing_file_is_a_reason_not_to_start():
    server = await started(new_disk(), appendonly=True)
    server.disk.unlink(f"{LOG}.1.base.rdb")
    with pytest.raises(LoadFailed, match=r"appendonly.aof.1.base.rdb, which is not there"):
        await killed_and_started(server, appendonly=True)


async def test_the_log_of_an_older_redis_is_taken_over():
    disk = new_disk()
    disk.open("appendonly.aof", "x").append(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n")
    server = await started(disk, appendonly=True)
    server("SET", "b", 2)
    again = await killed_and_started(server, appendonly=True)
    assert again.data() == {0: {b"a": b"1", b"b": b"2"}}
    assert disk.listdir(".") == ["appendonlydir"]
    assert disk.listdir("appendonlydir") == ["appendonly.aof", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]


async def test_the_log_is_all_that_counts_where_there_is_one():
    server = await started(new_disk())
    server("SET", "a", 1)
    server("SAVE")
    assert (await killed_and_started(server, appendonly=True)).data() == {}


async def test_a_stop_saves_as_the_save_points_ask_or_as_it_is_told():
    for points, wish, saved in [
        ((), None, False),
        ((), True, True),
        (((3600, 1),), None, True),
        (((3600, 1),), False, False),
    ]:
        server = await started(new_disk(), save=points)
        server("SET", "a", 1)
        assert server.persistence.prepare_stop(ShutdownWish(save=wish))
        assert server.disk.exists("dump.rdb") == saved


async def test_a_stop_whose_save_fails_is_refused_unless_forced():
    server = await started(new_disk(), save=((3600, 1),))
    server("SET", "a", 1)
    server.disk.options.capacity = 0
    assert not server.persistence.prepare_stop(ShutdownWish())
    assert server.persistence.prepare_stop(ShutdownWish(force=True))
    assert server.persistence.prepare_stop(ShutdownWish(save=False))


async def test_after_a_stop_nothing_is_lost_to_a_power_failure():
    server = await started(new_disk(), appendonly=True, appendfsync="no")
    server("SET", "a", 1)
    server.persistence.prepare_stop(ShutdownWish())
    await server.persistence.stop()
    server.disk.power_loss()
    assert (await started(server.disk, appendonly=True)).data() == {0: {b"a": b"1"}}


async def test_a_first_log_being_written_holds_up_a_stop_unless_forced():
    server = await started(new_disk())
    server("SET", "a", 1)
    server("CONFIG", "SET", "appendonly", "yes")
    assert not server.persistence.prepare_stop(ShutdownWish())
    assert server.persistence.prepare_stop(ShutdownWish(force=True))


async def test_reloading_reads_what_was_saved():
    server = await started(new_disk(), appendonly=True)
    server("SET", "a", 1)
    assert server.persistence.reload(save=True, flush=True)
    assert (server.data(), server.engine.dirty, server.engine.loading) == ({0: {b"a": b"1"}}, 1, False)
    server("SET", "b", 1)
    assert server.persistence.reload(save=False, flush=False)
    assert server.data() == {0: {b"a": b"1", b"b": b"1"}}
    assert server.persistence.reload_log()
    assert server.data() == {0: {b"a": b"1", b"b": b"1"}}


async def test_a_disk_that_fails_at_the_start_says_why():
    class NoDisk(SimulatedDisk):
        def mkdir(self, path):
            raise DiskError(errno.EROFS, "Read-only file system", path)

    with pytest.raises(LoadFailed, match="Read-only file system"):
        await started(NoDisk(Random(1)), appendonly=True)


# -- many power failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["always", "everysec"])
async def test_whenever_the_power_fails_what_was_called_durable_is_there(policy):
    for seed in range(150):
        random = Random(seed)
        disk = new_disk(seed)
        server = await started(disk, appendonly=True, appendfsync=policy)
        written = {}  # key -> offset behind it
        steps = random.randrange(60)
        for step in range(steps):
            match random.randrange(12):
                case 0:
                    server.persistence.begin_rewrite()
                case 1:
                    server.persistence.begin_save()
                case 2:
                    await server.later(random.choice((100, 1200)))
                case 3:
                    await asyncio.sleep(0)
                case _:
                    server("SET", f"key:{step}", step)
                    written[b"key:%d" % step] = server.persistence.written_offset
        durable = server.persistence.durable_offset
        disk.power_loss()
        again = await started(disk, appendonly=True)
        there = set(again.data().get(0, {}))
        lost = [key for key, offset in written.items() if key not in there and offset <= durable]
        assert lost == [], f"seed {seed}"
        order = list(written)
        assert there == set(order[: len(there)]), f"seed {seed}: a hole"

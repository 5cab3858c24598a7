"""State in Redis, or miniredis: one atomic script for each decision, the same decisions as in memory.

    store = RedisStore(RedisLink("redis://127.0.0.1:6379"))
    [decision] = await store.hit([Ask(Limit.parse("3 per minute"), "user:7")])

      ask ──> EVALSHA sha n key... now (algorithm cost R P B options)... ──> driver.lua + algorithms/*.lua
                                                                               read, decide, write, set the TTL

Reading, deciding and writing in three commands would let two nodes read the same state and both admit: the race of the
textbook's chapter.  A script is run as a whole.  It is sent by the SHA-1 of its text; a server that does not know it
(restarted, failed over, SCRIPT FLUSH) says NOSCRIPT before it has done anything, and then gets the text once.

**Many hits, one script.**  Half of what a script costs Redis is to begin one.  So hits that are asked in one turn of the
loop, by callers who know nothing of each other, share scripts that decide each of them by itself.  A full one leaves at
once: Redis decides while the next is gathered.  And who finds the link idle goes alone, and waits for nobody.

**Whose clock.**  The server's: one clock for all nodes, read within the script.  With `now_ms` the caller's, as tests
and replays want it; clocks that differ by d then admit up to R·d/P more, or lock out for d.

**Keys.**  `ratelimit:{user:7}:gcra:3/60000:3`.  What is asked about stands in braces, Redis Cluster's hash tag, unless
the key brings its own (`{user:7}:login`): all limits of one tag lie in one slot, so one script may hold them all.

**Several asks** are decided all or none.  Asks of different tags are so on a single server too; a cluster refuses them
(CROSSSLOT), and with `cluster` they go in two steps: look at all, and if all allow, hit all.  Whoever is overtaken
between the steps is denied and has consumed from the others: at most one hit of each, so too little is admitted then,
never too much.

Commands used, for an ACL: PING, EVALSHA, EVAL, DEL, in scripts TIME, GET, SET, and of the log LINDEX, LLEN, RPUSH, LTRIM,
PEXPIRE.  Next: redis_script.py, what is said; redis_link.py, how it travels; failing.py, when there is no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ratelimit.algorithms import algorithm
from ratelimit.decision import Ask, Decision
from ratelimit.limit import Limit
from ratelimit.redis_link import RedisLink, ReplyError, StoreUnavailable
from ratelimit.redis_script import (
    PREFIX,
    Command,
    Mode,
    Script,
    Word,
    algorithms_of,
    command,
    decision_of,
    decisions_of,
    named,
    packed_words,
    script,
    tag_of,
    tagged,
    words_of,
)

if TYPE_CHECKING:
    import redis

EACH_AT_ONCE = 32
"""Hits in one script at most.  It spares each of them half of the work, and whoever else asks Redis waits for it."""

Caller = asyncio.Future[list[Decision]]


def closed(asks: Sequence[Ask]) -> bool:
    """Whether some limit has a rate of 0, which no store needs to be asked about.  Raises ValueError."""
    if len(asks) > 1 and len({ask[:2] for ask in asks}) < len(asks):
        raise ValueError("two asks about the same limit and key")
    return any(not ask.limit.rate for ask in asks)


def with_closed(asks: Sequence[Ask], decided: Sequence[Decision]) -> list[Decision]:
    """The decisions of all asks, when the store was asked about those that have a rate."""
    rest = iter(decided)
    return [next(rest) if ask.limit.rate else algorithm(ask.limit).peek(None, 0) for ask in asks]


class RedisStore:
    """Every limit's keys in one Redis, for callers on an event loop.

    prefix   before every key
    now_ms   the clock of the decisions where a call brings none; None is the server's
    cluster  asks of different tags go in two steps, as one script may not hold them

    Every call raises StoreUnavailable when Redis does not answer within the link's timeout, or refuses.
    """

    def __init__(
        self, link: RedisLink, *, prefix: str = PREFIX, now_ms: Callable[[], int] | None = None, cluster: bool = False
    ) -> None:
        self.link, self.prefix, self.cluster = link, prefix, cluster
        self.asking = 0  # callers whose script is under way
        self._now_ms = now_ms
        self._gathered: list[tuple[str, bytes, bytes, Caller]] = []  # algorithm, key, words, who waits

    async def hit(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """Consume from all, if all allow it; from none otherwise.  No two asks are about the same limit and key."""
        if len(asks) == 1 and now_ms is None and not self.cluster and asks[0].limit.rate:
            return await (self._evaluate(self._command(asks, None, "hit")) if self.link.idle else self._gather(asks[0]))
        if closed(asks):
            return with_closed(asks, await self.peek([ask for ask in asks if ask.limit.rate], now_ms))
        if self.cluster and len(groups := by_tag(asks)) > 1:
            return await self._hit_in_two_steps(asks, groups, now_ms)
        return await self._evaluate(self._command(asks, now_ms, "hit"))

    async def peek(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """What `hit` would say of each alone, changing nothing."""
        if closed(asks):
            return with_closed(asks, await self.peek([ask for ask in asks if ask.limit.rate], now_ms))
        if not asks:
            return []
        if self.cluster and len(groups := by_tag(asks)) > 1:
            return in_order(asks, groups, await self._all(groups, now_ms, "peek"))
        return await self._evaluate(self._command(asks, now_ms, "peek"))

    async def hit_each(self, batch: Sequence[Sequence[Ask]], now_ms: int | None = None) -> list[list[Decision]]:
        """Many independent hits in one write; each is all or none by itself.  Raises when any of them failed."""
        if any(map(closed, batch)):
            return [await self.hit(asks, now_ms) for asks in batch]
        if self.cluster or any(len(asks) != 1 for asks in batch):
            return await self._all(batch, now_ms, "hit")
        flat = [asks[0] for asks in batch]
        pieces = [flat[first : first + EACH_AT_ONCE] for first in range(0, len(flat), EACH_AT_ONCE)]
        decided = await self._all(pieces, now_ms, "each")
        return [[decision] for piece in decided for decision in piece]

    async def reset(self, limit: Limit, key: str) -> bool:
        """Forget what this key has spent of this limit; whether there was anything."""
        if not limit.rate:
            return False
        try:
            return bool(await self.link.call("DEL", f"{self.prefix}{tagged(key)}:{limit.fingerprint}"))
        except ReplyError as error:
            raise self.refused(error) from error

    async def _hit_in_two_steps(
        self, asks: Sequence[Ask], groups: list[list[Ask]], now_ms: int | None
    ) -> list[Decision]:
        """Look at all, then hit all.  Who is overtaken in between has consumed from some without being let through."""
        seen = in_order(asks, groups, await self._all(groups, now_ms, "try"))
        if not all(decision.allowed for decision in seen):
            return seen
        return in_order(asks, groups, await self._all(groups, now_ms, "hit"))

    async def _all(self, batch: Sequence[Sequence[Ask]], now_ms: int | None, mode: Mode) -> list[list[Decision]]:
        commands = [self._command(asks, now_ms, mode) for asks in batch]  # all, before one of them leaves
        sent = [self._evaluate(command) for command in commands]
        decided: list[list[Decision]] = []
        failure = None
        for decisions in sent:
            try:
                decided.append(await decisions)
            except StoreUnavailable as error:  # the others are waited for, or asyncio would call them forgotten
                failure = error
        if failure is not None:
            raise failure
        return decided

    def _command(self, asks: Sequence[Ask], now_ms: int | None, mode: Mode) -> Command:
        """Raises CostTooHigh."""
        now_ms = self._at(now_ms)
        keys, words = zip(*[named(self.prefix, ask) for ask in asks], strict=True)
        return command(script(algorithms_of(asks), mode, now_ms is not None), keys, words, now_ms)

    def _evaluate(self, command: Command) -> Caller:
        caller: Caller = asyncio.get_running_loop().create_future()
        Evaluation(self, command, (caller,))
        return caller

    def _gather(self, ask: Ask) -> Caller:
        """A script for this ask and whatever else is asked in this turn.  Raises CostTooHigh."""
        key, words = named(self.prefix, ask)
        caller: Caller = asyncio.get_running_loop().create_future()
        if self.asking + len(self._gathered) >= self.link.waiting_max:
            caller.set_exception(StoreUnavailable(f"Redis at {self.link.address}: {self.asking} hits wait already"))
            return caller
        if not self._gathered:
            self.link.before_next_write(self._send_gathered)
        self._gathered.append((ask.limit.algorithm, key, words, caller))
        if len(self._gathered) >= EACH_AT_ONCE:
            self._send_gathered()
            self.link.flush()
        return caller

    def _send_gathered(self) -> None:
        gathered = [asked for asked in self._gathered if not asked[3].done()]  # the others have given up already
        self._gathered = []
        if not gathered:
            return
        now_ms = self._at(None)
        algorithms, keys, words, callers = zip(*gathered, strict=True)
        program = script(frozenset(algorithms), "each", now_ms is not None)
        Evaluation(self, command(program, keys, words, now_ms), callers)

    def _at(self, now_ms: int | None) -> int | None:
        return self._now_ms() if now_ms is None and self._now_ms is not None else now_ms

    def refused(self, error: ReplyError) -> StoreUnavailable:
        text = str(error)
        if text.startswith("READONLY"):  # a master that was demoted: the name may lead to its successor
            self.link.redial(text)
        return StoreUnavailable(f"Redis at {self.link.address}: {text}")


class Evaluation:
    """A script under way, from the first sending to the answer: it takes its reply where a future would.

    callers  one who wants all decisions; or many, an ask each
    """

    __slots__ = ("_by_name", "_callers", "_command", "_over", "_store")

    def __init__(self, store: RedisStore, command: Command, callers: Sequence[Caller]) -> None:
        self._store, self._command, self._callers = store, command, callers
        self._by_name, self._over = True, False
        store.asking += len(callers)
        store.link.send_for(self, command.packed(whole=False))

    def done(self) -> bool:
        """Answered, or every caller has given up."""
        if not self._over:
            for caller in self._callers:
                if not caller.done():
                    return False
            self._end()
        return True

    def set_result(self, reply: Any) -> None:
        if type(reply) is not list or len(reply) != 5 * self._command.asks:
            self.set_exception(ReplyError(f"not a decision: {str(reply)[:100]}"))
            return
        self._end()
        alone, first = len(self._callers) == 1, 0
        for caller in self._callers:
            if not caller.done():  # has not given up
                try:
                    caller.set_result(decisions_of(reply) if alone else [decision_of(reply, first)])
                except ReplyError as error:
                    caller.set_exception(self._store.refused(error))
            first += 5

    def set_exception(self, error: Exception) -> None:
        if isinstance(error, ReplyError):
            if self._by_name and str(error).startswith("NOSCRIPT"):
                self._by_name = False
                self._store.link.send_for(self, self._command.packed(whole=True))
                return
            error = self._store.refused(error)
        self._end()
        for caller in self._callers:
            if not caller.done():
                caller.set_exception(StoreUnavailable(str(error), sent=getattr(error, "sent", False)))

    def _end(self) -> None:
        self._over = True
        self._store.asking -= len(self._callers)


def by_tag(asks: Sequence[Ask]) -> list[list[Ask]]:
    groups: dict[str, list[Ask]] = {}
    for ask in asks:
        groups.setdefault(tag_of(ask.key), []).append(ask)
    return list(groups.values())


def in_order(asks: Sequence[Ask], groups: list[list[Ask]], decided: list[list[Decision]]) -> list[Decision]:
    """Decisions made in groups, in the order in which they were asked for."""
    found = {
        ask: decision
        for group, decisions in zip(groups, decided, strict=True)
        for ask, decision in zip(group, decisions, strict=True)
    }
    return [found[ask] for ask in asks]


class SyncRedisStore:
    """The same over redis-py, for callers without an event loop.

    client  redis.Redis, or redis.RedisCluster with `cluster`.  Its socket_timeout bounds what a hit may take; and it should
            not retry, as redis-py does ten times unless told otherwise: a hit whose answer was lost would count twice
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        prefix: str = PREFIX,
        now_ms: Callable[[], int] | None = None,
        cluster: bool = False,
    ) -> None:
        import redis.exceptions

        self.client, self.prefix, self.cluster = client, prefix, cluster
        self._now_ms = now_ms
        self._errors = redis.exceptions

    @classmethod
    def from_url(cls, url: str, *, timeout_ms: int = 100, **options: Any) -> SyncRedisStore:
        """Raises ImportError, with what to install, when redis-py is missing."""
        try:
            import redis
        except ImportError:
            raise ImportError("SyncRedisStore speaks through redis-py: pip install redis") from None
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        seconds = timeout_ms / 1000
        client = redis.Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0)
        )
        return cls(client, **options)

    def hit(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """Consume from all, if all allow it; from none otherwise.  No two asks are about the same limit and key."""
        if closed(asks):
            return with_closed(asks, self.peek([ask for ask in asks if ask.limit.rate], now_ms))
        if self.cluster and len(groups := by_tag(asks)) > 1:
            seen = in_order(asks, groups, [self._decide(group, now_ms, "try") for group in groups])
            if not all(decision.allowed for decision in seen):
                return seen
            return in_order(asks, groups, [self._decide(group, now_ms, "hit") for group in groups])
        return self._decide(asks, now_ms, "hit")

    def peek(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """What `hit` would say of each alone, changing nothing."""
        if closed(asks):
            return with_closed(asks, self.peek([ask for ask in asks if ask.limit.rate], now_ms))
        if not asks:
            return []
        groups = by_tag(asks) if self.cluster else [list(asks)]
        return in_order(asks, groups, [self._decide(group, now_ms, "peek") for group in groups])

    def reset(self, limit: Limit, key: str) -> bool:
        """Forget what this key has spent of this limit; whether there was anything."""
        if not limit.rate:
            return False
        try:
            return bool(self.client.delete(f"{self.prefix}{tagged(key)}:{limit.fingerprint}"))
        except self._errors.RedisError as error:
            raise StoreUnavailable(f"Redis: {error}", sent=True) from error

    def _decide(self, asks: Sequence[Ask], now_ms: int | None, mode: Mode) -> list[Decision]:
        if now_ms is None and self._now_ms is not None:
            now_ms = self._now_ms()
        program = script(algorithms_of(asks), mode, now_ms is not None)
        words: list[Word] = [f"{self.prefix}{tagged(ask.key)}{packed_words(ask.limit, ask.cost)[0]}" for ask in asks]
        words.append("" if now_ms is None else now_ms)
        for ask in asks:
            words += words_of(ask.limit, ask.cost)
        return decisions_of(self._evaluate(program, len(asks), words))

    def _evaluate(self, program: Script, asks: int, words: list[Word]) -> Any:
        try:
            return self.client.evalsha(program.sha, asks, *words)
        except self._errors.NoScriptError:
            pass
        except self._errors.RedisError as error:
            raise StoreUnavailable(f"Redis: {error}", sent=True) from error
        try:
            return self.client.eval(program.text, asks, *words)
        except self._errors.RedisError as error:
            raise StoreUnavailable(f"Redis: {error}", sent=True) from error

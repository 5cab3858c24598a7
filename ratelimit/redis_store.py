"""State in Redis, or miniredis: one atomic script for each decision, the same decisions as in memory.

    store = RedisStore(RedisLink("redis://127.0.0.1:6379"))
    [decision] = await store.hit([Ask(Limit.parse("3 per minute"), "user:7")])

      ask ──> EVALSHA sha n key... now (algorithm cost R P B options)... ──> driver.lua + algorithms/*.lua
                                                                               read, decide, write, set the TTL

Reading, deciding and writing in three commands would let two nodes read the same state and both admit: the race of the
textbook's chapter.  A script is run as a whole.  It is sent by the SHA-1 of its text; a server that does not know it
(restarted, failed over, SCRIPT FLUSH) says NOSCRIPT before it has done anything, and then gets the text once.

**Whose clock.**  The server's: one clock for all nodes, read within the script.  With `now_ms` the caller's, as tests
and replays want it; clocks that differ by d then admit up to R·d/P more, or lock out for d.

**Keys.**  `ratelimit:{user:7}:gcra:3/60000:3`.  What is asked about stands in braces, Redis Cluster's hash tag, unless
the key brings its own (`{user:7}:login`): all limits of one tag lie in one slot, so one script may hold them all.

**Several asks** are decided all or none.  Asks of different tags are so on a single server too; a cluster refuses them
(CROSSSLOT), and with `cluster` they go in two steps: look at all, and if all allow, hit all.  Whoever is overtaken
between the steps is denied and has consumed from the others: at most one hit of each, so too little is admitted then,
never too much.

Commands used, for an ACL: PING, EVALSHA, EVAL, DEL, in scripts TIME, GET, SET, and of the log LINDEX, LLEN, RPUSH, LTRIM,
PEXPIRE.  Next: failing.py, when there is no answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ratelimit.algorithms import ALGORITHMS, algorithm
from ratelimit.decision import Ask, CostTooHigh, Decision
from ratelimit.limit import Limit
from ratelimit.redis_link import RedisLink, ReplyError, StoreUnavailable

if TYPE_CHECKING:
    import redis

make = tuple.__new__
PREFIX = "ratelimit:"
EACH_AT_ONCE = 50
"""Hits of a batch in one script, which spares each of them half of the work; others wait a quarter of a ms for it."""
SERVER_SLACK_MS = 1
"""A TTL counts from the moment the script began, in whole milliseconds."""
CLIENT_SLACK_MS = 60_000
"""By how much a caller's clock may lag behind the server's before a key expires too early."""
OPTIONS = (
    ("e", "start_full", False),
    ("q", "queue", True),
    ("u", "aligned", False),
    ("f", "rounding", "floor"),
    ("d", "log_denied", True),
)
"""A letter for each option that is not at its default, as driver.lua reads them."""

ALONE = {name: frozenset([name]) for name in ALGORITHMS}
"""The commonest questions are about one algorithm."""

Word = str | bytes | int


Mode = Literal["hit", "peek", "each"]


class Script(NamedTuple):
    """A program for Redis, and the name it has there."""

    sha: str
    text: str


def text_of(name: str) -> str:
    return resources.files("ratelimit").joinpath(name).read_text()


@cache
def script(algorithms: frozenset[str], mode: Mode, client_time: bool) -> Script:
    """The driver with the algorithms that are needed: what is not in the text costs nothing at each call."""
    parts = "\n".join(text_of(f"algorithms/{name}.lua") for name in sorted(algorithms))
    slack_ms = CLIENT_SLACK_MS if client_time else SERVER_SLACK_MS
    text = text_of("driver.lua").replace("--[[algorithms]]", parts)
    text = text.replace("--[[slack]]", str(slack_ms)).replace("--[[mode]]", f"'{mode}'")
    return Script(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), text)


@lru_cache(maxsize=10_000)
def words_of(limit: Limit, cost: int) -> tuple[Word, ...]:
    """What driver.lua is told of one ask.  Raises CostTooHigh."""
    if not 0 < cost <= limit.capacity:
        raise CostTooHigh(cost, limit.capacity)
    letters = "".join(letter for letter, option, value in OPTIONS if getattr(limit, option) == value)
    return limit.algorithm, cost, limit.rate, limit.per_ms, limit.capacity, letters


@lru_cache(maxsize=10_000)
def packed_words(limit: Limit, cost: int) -> tuple[str, bytes]:
    """The end of the key, and the words of one ask as RESP writes them.  Raises CostTooHigh."""
    return f":{limit.fingerprint}", b"".join(map(bulk, words_of(limit, cost)))


@lru_cache(maxsize=100)
def packed_head(script: Script, asks: int, whole: bool) -> bytes:
    """A command up to its first key: EVALSHA, or EVAL with the whole text."""
    words: tuple[Word, ...] = ("EVAL", script.text, asks) if whole else ("EVALSHA", script.sha, asks)
    return b"*%d\r\n" % (len(words) + 7 * asks + 1) + b"".join(map(bulk, words))


def bulk(word: Word) -> bytes:
    data = word if isinstance(word, bytes) else str(word).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


def tagged(key: str) -> str:
    """The key with its hash tag: its own, as in `{user:7}:login`, or itself."""
    return key if key.startswith("{") and "}:" in key else "{" + key + "}"


def tag_of(key: str) -> str:
    """What Redis Cluster hashes of a key: between the first { and the next }, unless that is empty."""
    key = tagged(key)
    return key[1 : key.index("}", 1)] or key


def algorithms_of(asks: Sequence[Ask]) -> frozenset[str]:
    if len(asks) == 1:
        return ALONE[asks[0].limit.algorithm]
    return frozenset([ask.limit.algorithm for ask in asks])


def decisions_of(reply: Sequence[int]) -> list[Decision]:
    if len(reply) == 5:
        allowed, *rest = reply
        return [make(Decision, (allowed == 1, *rest))]
    return [make(Decision, (reply[i] == 1, *reply[i + 1 : i + 5])) for i in range(0, len(reply), 5)]


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
        self._now_ms = now_ms

    async def hit(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """Consume from all, if all allow it; from none otherwise.  No two asks are about the same limit and key."""
        if closed(asks):
            return with_closed(asks, await self.peek([ask for ask in asks if ask.limit.rate], now_ms))
        if self.cluster and len(groups := by_tag(asks)) > 1:
            return await self._hit_in_two_steps(asks, groups, now_ms)
        return await self._decide(asks, now_ms, "hit")

    async def peek(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """What `hit` would say of each alone, changing nothing."""
        if closed(asks):
            return with_closed(asks, await self.peek([ask for ask in asks if ask.limit.rate], now_ms))
        if not asks:
            return []
        if self.cluster and len(groups := by_tag(asks)) > 1:
            return in_order(asks, groups, await self._all(groups, now_ms, "peek"))
        return await self._decide(asks, now_ms, "peek")

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
            raise self._refused(error) from error

    async def _hit_in_two_steps(
        self, asks: Sequence[Ask], groups: list[list[Ask]], now_ms: int | None
    ) -> list[Decision]:
        """Look at all, then hit all.  Who is overtaken in between has consumed from some without being let through."""
        seen = in_order(asks, groups, await self._all(groups, now_ms, "peek"))
        if not all(decision.allowed for decision in seen):
            return seen
        return in_order(asks, groups, await self._all(groups, now_ms, "hit"))

    async def _decide(self, asks: Sequence[Ask], now_ms: int | None, mode: Mode) -> list[Decision]:
        if now_ms is None and self._now_ms is not None:
            now_ms = self._now_ms()
        program = script(algorithms_of(asks), mode, now_ms is not None)
        rest = self._packed(asks, now_ms)
        try:
            reply = await self.link.send(packed_head(program, len(asks), False) + rest)
        except ReplyError as error:
            reply = await self._again(error, program, len(asks), rest)
        return decisions_of(reply)

    async def _all(self, batch: Sequence[Sequence[Ask]], now_ms: int | None, mode: Mode) -> list[list[Decision]]:
        if now_ms is None and self._now_ms is not None:
            now_ms = self._now_ms()
        commands = [
            (script(algorithms_of(asks), mode, now_ms is not None), len(asks), self._packed(asks, now_ms))
            for asks in batch
        ]
        sent = [self.link.send(packed_head(program, asks, False) + rest) for program, asks, rest in commands]
        decided, failure = [], None
        for (program, asks, rest), reply in zip(commands, sent, strict=True):
            try:
                try:
                    decided.append(decisions_of(await reply))
                except ReplyError as error:
                    decided.append(decisions_of(await self._again(error, program, asks, rest)))
            except StoreUnavailable as error:  # the other replies are waited for, or asyncio would call them forgotten
                failure = error
        if failure is not None:
            raise failure
        return decided

    def _packed(self, asks: Sequence[Ask], now_ms: int | None) -> bytes:
        """A command from its first key on."""
        prefix = self.prefix
        now = b"$0\r\n\r\n" if now_ms is None else bulk(now_ms)
        if len(asks) == 1:
            limit, key, cost = asks[0]
            fingerprint, words = packed_words(limit, cost)
            name = f"{prefix}{tagged(key)}{fingerprint}".encode()
            return b"$%d\r\n%b\r\n%b%b" % (len(name), name, now, words)
        keys, all_words = [], []
        for limit, key, cost in asks:
            fingerprint, words = packed_words(limit, cost)
            keys.append(bulk(f"{prefix}{tagged(key)}{fingerprint}"))
            all_words.append(words)
        return b"".join([*keys, now, *all_words])

    async def _again(self, error: ReplyError, program: Script, asks: int, rest: bytes) -> list[int]:
        """With the text, if the server only did not know the script.  Raises StoreUnavailable."""
        if not str(error).startswith("NOSCRIPT"):
            raise self._refused(error) from error
        try:
            reply: list[int] = await self.link.send(packed_head(program, asks, True) + rest)
            return reply
        except ReplyError as second:
            raise self._refused(second) from second

    def _refused(self, error: ReplyError) -> StoreUnavailable:
        text = str(error)
        if text.startswith("READONLY"):  # a master that was demoted: the name may lead to its successor
            self.link.redial(text)
        return StoreUnavailable(f"Redis at {self.link.address}: {text}")


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
            seen = self.peek(asks, now_ms)
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

"""Which promises a request falls under, whom they count, and what they answer together.

    Request ── RuleSet.asks ──> [Ask(limit, "{ip=203.0.113.9}:per-address", cost), ...] ── Store.hit ──> [Decision, ...]
                                                                                                              │
    Verdict(allowed, the strictest policy and its decision, all of them) <──────────── RuleSet.verdict ───────┘

A rule says *who* is counted (an address, a user, an API key, a header, the path, the method, or several of them together),
*where* it applies (paths, methods), and *how much*: one limit or several, each a policy with a name of its own.  All rules
that match are asked at once, and the strictest decides: when one policy denies, none is consumed.  A route within a rule
changes its limit or its cost for some paths.  A shadow rule counts and reports, and denies nobody.

A rule by user or API key counts callers without one by their address instead (`absent = "ip"`): a limit that one escapes
by leaving out a header is none.  Keys never hold an API key, only its hash, and hold no text longer than VALUE_MOST,
since callers choose it and stores keep it.

The same rules serve every face: asgi.py, wsgi.py, server.py, and code that calls `check`.  Next: rules_file.py reads them
from TOML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, NamedTuple

from ratelimit.decision import Ask, Decision
from ratelimit.failing import Blind, GuardedStore, OnFailure, SyncGuardedStore
from ratelimit.headers import HeaderWriter, Spoken, limit_prefix, policy_item
from ratelimit.limit import Limit
from ratelimit.limiter import AsyncStore, Store
from ratelimit.memory_store import MemoryStore, Table
from ratelimit.who import Network, Prefixes, Proxies, pack

VALUE_MOST = 80
"""Characters of a caller's own text in a key; what is longer is hashed."""

MATCHES_MOST = 8192
"""Pairs of method and path whose rules are remembered; beyond, all are forgotten at once."""
PATH_KNOWN_MOST = 256
"""Longer paths are matched each time, and not remembered: callers choose them."""

Absent = Literal["ip", "skip", "together"]

EVERYONE = "everyone"
"""Whom a rule without `who` counts: all requests together."""


class Request(NamedTuple):
    """What rules may look at.

    client     the address, proxies already seen through (`RuleSet.proxies`)
    headers    names in lower case; those in `RuleSet.reads` suffice
    user       who has signed in, as the application knows it
    """

    method: str
    path: str
    client: str
    headers: Mapping[str, str] = {}
    user: str | None = None


class Policy:
    """One limit of a rule under the name that clients see."""

    __slots__ = ("_store", "_table", "item", "limit", "name", "prefix", "rule")

    def __init__(self, name: str, limit: Limit, rule: Rule) -> None:
        """Raises ValueError when no header field can carry the name."""
        self.name, self.limit, self.rule = name, limit, rule
        self.item, self.prefix = policy_item(name, limit), limit_prefix(name)
        self._store: MemoryStore | None = None
        self._table: Table

    def table(self, store: MemoryStore) -> Table:
        """Where a store in the process keeps this limit: looked for once, and not again for every request."""
        if store is not self._store:
            self._store, self._table = store, store.table(self.limit)
        return self._table

    def __repr__(self) -> str:
        return f"Policy({self.name!r}, {self.limit})"


class Verdict(NamedTuple):
    """What all rules say together.

    policy      the strictest: of the denying ones the one with the longest wait, else the one with the least left
    parts       every policy that was asked, and its decision; in the order of the rules
    shadows     the same of shadow rules, which are asked about admitted requests alone
    """

    allowed: bool
    policy: Policy | None = None
    decision: Decision | None = None
    parts: Sequence[tuple[Policy, Decision]] = ()
    shadows: Sequence[tuple[Policy, Decision]] = ()

    @property
    def blind(self) -> bool:
        """Whether the store did not answer, and the policy's `on_failure` has decided."""
        return isinstance(self.decision, Blind)

    @property
    def violated(self) -> list[str]:
        """Names of the policies that denied."""
        return [policy.name for policy, decision in self.parts if not decision.allowed]

    @property
    def delay_ms(self) -> int:
        """How long the admitted request waits for its turn in the slowest queue."""
        return max([decision.delay_ms for _, decision in self.parts], default=0) if self.allowed else 0


PASS = Verdict(True)
"""No rule speaks about this request."""


@dataclass(frozen=True)
class Route:
    """Where a rule is different.  The first route that matches counts.

    policies    instead of the rule's, counted apart; empty: the rule's own, with another cost
    cost        instead of the rule's;  exempt: the rule says nothing here
    """

    where: Where
    name: str
    policies: tuple[Policy, ...] = ()
    cost: int | None = None
    exempt: bool = False


@dataclass(eq=False)
class Rule:
    """One rule as it was read.  `policies` are in the order they were written."""

    name: str
    who: WhoIsCounted
    where: Where
    cost: int = 1
    shadow: bool = False
    on_failure: OnFailure = "open"
    allow: AllowList | None = None
    policies: tuple[Policy, ...] = ()
    routes: tuple[Route, ...] = ()


class Where:
    """Paths and methods; none of either means all.

    A path is compared as servers route it, so that "//login/" does not escape a rule for "/login":
    `*` is one segment, `**` any number of them, `{id}` the same as `*`.  GET means HEAD as well.
    """

    def __init__(self, paths: Iterable[str] = (), methods: Iterable[str] = ()) -> None:
        """Raises ValueError for a path that does not begin with a slash or two stars."""
        self.paths, self.methods = tuple(paths), frozenset(method.upper() for method in methods)
        self._path = re.compile("|".join(map(_path_pattern, self.paths)), re.DOTALL) if self.paths else None
        if "GET" in self.methods:
            self.methods |= {"HEAD"}

    def matches(self, method: str, path: str) -> bool:
        """`path` must be normal already."""
        if self.methods and method not in self.methods:
            return False
        return self._path is None or self._path.fullmatch(path) is not None


PART = re.compile(r"(/\*\*)|(\*\*)|(\*|\{\w+\})")


def _path_pattern(path: str) -> str:
    if not path.startswith(("/", "**")):
        raise ValueError(f"a path begins with a slash, {path!r} does not")
    pattern, end = "", 0
    for match in PART.finditer(path):
        pattern += re.escape(path[end : match.start()])
        pattern += "(?:/.*)?" if match[1] else ".*" if match[2] else "[^/]+"
        end = match.end()
    rest = path[end:]
    return pattern + re.escape(rest if len(path) == 1 else rest.removesuffix("/"))


def normal_path(path: str) -> str:
    """Without doubled and trailing slashes, `.` and `..` (RFC 3986 §5.2.4), and without a query."""
    path = path.partition("?")[0]
    if "//" not in path and "/." not in path and not path.endswith("/"):
        return path or "/"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept)


def short(value: str) -> str:
    """A caller's own text as a part of a key: at most VALUE_MOST characters, never like a hash, `&` and `%` escaped."""
    if len(value) > VALUE_MOST or value.startswith("~"):
        return "~" + hashed(value)
    if "&" in value or "%" in value:
        return value.replace("%", "%25").replace("&", "%26")
    return value


def hashed(value: str) -> str:
    """128 bits that name a text without showing it."""
    return blake2b(value.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


class WhoIsCounted:
    """From a request to the text of whom it counts for: `ip=203.0.113.9`, `user=ann&path=/search`, `everyone`.

    names     of `ip user api_key method path header:NAME`; together they are one who.  None of them: everyone
    absent    a part is missing from the request: count its address, skip the rule, or count all such requests together
    """

    def __init__(
        self,
        names: Sequence[str],
        prefixes: Prefixes,
        absent: Absent = "ip",
        *,
        user_header: str = "",
        api_key_header: str = "x-api-key",
    ) -> None:
        """Raises ValueError for an unknown name."""
        self.names, self.absent, self.prefixes = tuple(names), absent, prefixes
        self.reads = frozenset(
            header
            for name in names
            if (header := {"user": user_header, "api_key": api_key_header}.get(name, header_of(name)))
        )
        self._parts = [self._reader(name, user_header, api_key_header) for name in names]

    def _reader(self, name: str, user_header: str, api_key_header: str) -> Callable[[Request], str]:
        """A function from the request to this part's value, "" when the request has none."""
        prefixes = self.prefixes
        if name == "ip":
            return lambda request: prefixes.of(request.client)
        if name == "user":
            return lambda request: short(request.user or (user_header and request.headers.get(user_header, "")))
        if name == "api_key":
            return lambda request: (key := request.headers.get(api_key_header, "")) and hashed(key)
        if name == "method":
            return lambda request: short(request.method)
        if name == "path":
            return lambda request: short(normal_path(request.path))
        if header := header_of(name):
            return lambda request: short(request.headers.get(header, ""))
        raise ValueError(f"unknown: {name!r}")

    def of(self, request: Request) -> str | None:
        """Whom the request counts for; None when the rule does not apply to it."""
        if len(self._parts) == 1:
            value = self._parts[0](request)
            if value:
                return f"{self.names[0]}={value}"
        elif not self._parts:
            return EVERYONE
        else:
            values = [part(request) for part in self._parts]
            if all(values):
                return "&".join([f"{name}={value}" for name, value in zip(self.names, values, strict=True)])
        if self.absent == "skip":
            return None
        return f"ip={self.prefixes.of(request.client)}" if self.absent == "ip" else f"{self.names[0]}="

    def could_be(self, who: str) -> bool:
        """Whether `who` is a text that `of` may return."""
        names = [part.partition("=")[0] for part in who.split("&")]
        if not self.names:
            return who == EVERYONE
        if self.absent == "ip" and names == ["ip"]:
            return True
        return names == list(self.names) or (self.absent == "together" and who == f"{self.names[0]}=")


def header_of(name: str) -> str:
    """`header:X-Tenant` to "x-tenant", "" for what is no such name."""
    return name[7:].lower() if name.startswith("header:") else ""


@dataclass
class AllowList:
    """Who is never limited: whoever is in one of these."""

    networks: tuple[Network, ...] = ()
    users: frozenset[str] = frozenset()
    api_keys: frozenset[str] = frozenset()
    where: Where | None = None
    user_header: str = ""
    api_key_header: str = "x-api-key"
    _addresses: dict[str, bool] = field(default_factory=dict, repr=False)

    def lets(self, request: Request) -> bool:
        """Whether the request passes unseen by the rules."""
        if self.networks:
            known = self._addresses.get(request.client)
            if known or (known is None and self._has(request.client)):
                return True
        if self.users and (request.user or request.headers.get(self.user_header)) in self.users:
            return True
        if self.api_keys and request.headers.get(self.api_key_header) in self.api_keys:
            return True
        return self.where is not None and self.where.matches(request.method, normal_path(request.path))

    def _has(self, address: str) -> bool:
        if len(self._addresses) >= MATCHES_MOST:
            self._addresses.clear()
        packed = pack(address)
        answer = self._addresses[address] = packed is not None and any(packed in one for one in self.networks)
        return answer

    @property
    def reads(self) -> frozenset[str]:
        """Headers that must be in `Request.headers`."""
        names = {self.user_header if self.users else "", self.api_key_header if self.api_keys else ""}
        return frozenset(names - {""})


class Row(NamedTuple):
    """A rule as it applies to one method and path: worked out once, and remembered."""

    rule: Rule
    policies: tuple[Policy, ...]
    key_end: str
    cost: int


class Asked(NamedTuple):
    """What to ask the store: the enforced rules in one question, each shadow rule in one of its own."""

    policies: list[Policy]
    asks: list[Ask]
    shadows: list[tuple[Sequence[Policy], list[Ask]]]

    @property
    def on_failure(self) -> list[OnFailure]:
        """For each ask what its rule does when the store does not answer."""
        return [policy.rule.on_failure for policy in self.policies]


NOTHING = Asked([], [], [])


def key_of(who: str, rule: str) -> str:
    """The key of an ask: the braces make all keys of one who live in one slot of a Redis cluster."""
    return f"{{{who}}}:{rule}"


class RuleSet:
    """All rules of a file, ready to be asked.  Immutable: a changed file makes a new one."""

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        allow: AllowList | None = None,
        proxies: Proxies | None = None,
        headers: HeaderWriter | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.allow, self.proxies = allow, proxies or Proxies()
        self.headers = headers or HeaderWriter()
        allows = [one for one in (allow, *(rule.allow for rule in rules)) if one is not None]
        reads = frozenset[str]().union(*(rule.who.reads for rule in rules), *(one.reads for one in allows))
        if self.proxies.trusted and self.proxies.field != "none":
            reads |= {self.proxies.field}
        self.reads = reads
        """Headers that rules look at, in lower case."""
        self.reads_raw = {name.encode("latin-1"): name for name in reads}
        """The same as ASGI has them, to text."""
        self._rows: dict[tuple[str, str], tuple[Row, ...]] = {}

    def policies(self) -> list[Policy]:
        """Every policy of every rule and route."""
        return [
            policy
            for rule in self.rules
            for policy in (*rule.policies, *(policy for route in rule.routes for policy in route.policies))
        ]

    # From a request to what is asked

    def asks(self, request: Request, cost: int = 1) -> Asked:
        """What to ask the store about `request`; `cost` multiplies the rules' own."""
        if self.allow is not None and self.allow.lets(request):
            return NOTHING
        rows = self._rows.get(request[:2])
        if rows is None:
            rows = self._rows_of(request.method, request.path)
        policies: list[Policy] = []
        asks: list[Ask] = []
        shadows: list[tuple[Sequence[Policy], list[Ask]]] = []
        for rule, its_policies, key_end, its_cost in rows:
            if (rule.allow is not None and rule.allow.lets(request)) or (who := rule.who.of(request)) is None:
                continue
            key = "{" + who + key_end
            its_asks = [Ask(policy.limit, key, its_cost * cost) for policy in its_policies]
            if rule.shadow:
                shadows.append((its_policies, its_asks))
                continue
            policies += its_policies
            asks += its_asks
        return Asked(policies, asks, shadows)

    def _rows_of(self, method: str, path: str) -> tuple[Row, ...]:
        if len(self._rows) >= MATCHES_MOST:
            self._rows.clear()
        normal, upper = normal_path(path), method.upper()
        found = []
        for rule in self.rules:
            if not rule.where.matches(upper, normal):
                continue
            route = next((route for route in rule.routes if route.where.matches(upper, normal)), None)
            if route is None:
                found.append(Row(rule, rule.policies, "}:" + rule.name, rule.cost))
            elif not route.exempt:
                name = route.name if route.policies else rule.name
                cost = rule.cost if route.cost is None else route.cost
                found.append(Row(rule, route.policies or rule.policies, "}:" + name, cost))
        rows = tuple(found)
        if len(path) <= PATH_KNOWN_MOST:
            self._rows[method, path] = rows
        return rows

    def asks_about(self, who: str, rule_name: str = "") -> list[tuple[Policy, Ask]]:
        """Every policy that may have counted `who`, as asks of cost 1: to peek, or to reset."""
        found = []
        for rule in self.rules:
            if not rule.who.could_be(who):
                continue
            for name, policies in (
                (rule.name, rule.policies),
                *((route.name, route.policies) for route in rule.routes),
            ):
                if rule_name in ("", name):
                    found += [(policy, Ask(policy.limit, key_of(who, name), 1)) for policy in policies]
        return found

    # From decisions to a verdict

    @staticmethod
    def verdict(policies: Sequence[Policy], decisions: Sequence[Decision]) -> Verdict:
        """What these decisions say together."""
        if len(policies) == 1:
            decision = decisions[0]
            return Verdict(decision.allowed, policies[0], decision, ((policies[0], decision),))
        if not policies:
            return PASS
        parts = list(zip(policies, decisions, strict=True))
        policy, decision = min(parts, key=_strictness)
        return Verdict(decision.allowed, policy, decision, parts)

    def check(self, request: Request, store: Store, cost: int = 1) -> Verdict:
        """Count the request.  Raises CostTooHigh, and what the store raises; a SyncGuardedStore raises nothing."""
        return self.decide(self.asks(request, cost), store)

    async def check_async(self, request: Request, store: AsyncStore, cost: int = 1) -> Verdict:
        """The same over a store whose answers must be awaited."""
        return await self.decide_async(self.asks(request, cost), store)

    def decide(self, asked: Asked, store: Store) -> Verdict:
        """Ask the store, and put its answers together."""
        if not asked.asks:
            verdict = PASS
        elif isinstance(store, MemoryStore):
            if len(asked.asks) == 1:
                _, key, cost = asked.asks[0]
                decisions = [asked.policies[0].table(store).hit(key, cost)]
            else:
                decisions = store.hit_in([policy.table(store) for policy in asked.policies], asked.asks)
            verdict = self.verdict(asked.policies, decisions)
        elif isinstance(store, SyncGuardedStore):
            verdict = self.verdict(asked.policies, store.hit(asked.asks, None, asked.on_failure))
        else:
            verdict = self.verdict(asked.policies, store.hit(asked.asks))
        if asked.shadows and verdict.allowed:
            verdict = _with_shadows(verdict, asked, [store.hit(asks) for _, asks in asked.shadows])
        return verdict

    async def decide_async(self, asked: Asked, store: AsyncStore) -> Verdict:
        """The same over a store whose answers must be awaited."""
        if not asked.asks:
            verdict = PASS
        elif isinstance(store, GuardedStore):
            verdict = self.verdict(asked.policies, await store.hit(asked.asks, None, asked.on_failure))
        else:
            verdict = self.verdict(asked.policies, await store.hit(asked.asks))
        if asked.shadows and verdict.allowed:
            verdict = _with_shadows(verdict, asked, [await store.hit(asks) for _, asks in asked.shadows])
        return verdict

    def fields(self, verdict: Verdict, now_ms: Callable[[], int]) -> list[tuple[bytes, bytes]]:
        """The header fields that tell a client of `verdict`; none when nobody knows what is left.

        The wall clock is asked for legacy fields alone.
        """
        policy, decision = verdict.policy, verdict.decision
        if policy is None or decision is None or isinstance(decision, Blind):
            return []
        epoch_ms = now_ms() if self.headers.legacy == "x-ratelimit" else 0
        strictest = Spoken(policy.item, policy.prefix, policy.limit, decision)
        if len(verdict.parts) == 1:
            return self.headers.fields((strictest,), strictest, epoch_ms)
        spoken = [Spoken(one.item, one.prefix, one.limit, its) for one, its in verdict.parts]
        return self.headers.fields(spoken, strictest, epoch_ms)


def _with_shadows(verdict: Verdict, asked: Asked, answers: Sequence[Sequence[Decision]]) -> Verdict:
    pairs = [pair for (policies, _), answer in zip(asked.shadows, answers, strict=True)
             for pair in zip(policies, answer, strict=True)]  # fmt: skip
    return verdict._replace(shadows=pairs)


def _strictness(part: tuple[Policy, Decision]) -> tuple[bool, int, int]:
    decision = part[1]
    if decision.allowed:
        return True, decision.remaining, -decision.reset_ms
    return False, -decision.retry_after_ms, 0

"""Rules as TOML: what may be written, and every mistake in it at once.

    [client]
    trusted_proxies = ["10.0.0.0/8"]        # whose X-Forwarded-For is believed

    [allow]
    ip = ["127.0.0.1"]
    path = ["/health"]

    [[rules]]
    name = "per-address"
    who = "ip"                              # ip user api_key method path header:NAME, or a list of them
    limit = ["10/s", "1000 per hour"]       # the strictest decides

      [[rules.routes]]                      # a different limit or cost for some paths
      path = "/search/**"
      limit = "1/s burst 3"

    [[rules]]
    name = "sign-in"
    who = "ip"
    path = "/login"
    method = "POST"
    limit = "5 per 15 minutes"
    algorithm = "sliding_window_log"
    shadow = true                           # count and report, deny nobody

Each table below names the keys a section may have and how each is read.  A mistake does not stop the reading: a file with
five of them is answered with five lines, each with its place and, where one is near, the name that was meant.

    rules.toml, line 9: rules.per-address.limt: unknown; do you mean limit?
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, get_args

from ratelimit.failing import OnFailure
from ratelimit.headers import HeaderWriter, Legacy, When
from ratelimit.limit import VARIANTS, Limit, LimitError
from ratelimit.rules import Absent, AllowList, Policy, Route, Rule, RuleSet, Where, WhoIsCounted, header_of
from ratelimit.who import AddressError, ForwardedBy, Network, Prefixes, Proxies

Reader = Callable[[Any], Any]
"""From a TOML value to ours.  Raises ValueError with the reason."""

COST_MOST = 1_000_000
NAME = re.compile(r"[A-Za-z0-9_.*-]{1,64}")
WHO = ("ip", "user", "api_key", "method", "path", "header:NAME")


class RulesError(Exception):
    """A file that cannot be used: `errors` has a line for each mistake, `str()` all of them."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = list(errors)


# How values are read


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, not {_shown(value)}")
    return value


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, not {_shown(value)}")
    return value


def number(low: int, high: int) -> Reader:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"expected a whole number, not {_shown(value)}")
        if not low <= value <= high:
            raise ValueError(f"expected {low} to {high}, not {value}")
        return value

    return read


def choice(*choices: str) -> Reader:
    def read(value: Any) -> str:
        if text(value) not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, not {value!r}{_meant(value, choices)}")
        return str(value)

    return read


def one_or_more(read: Reader) -> Reader:
    """A value, or a list of such values; the result is a tuple."""

    def read_all(value: Any) -> tuple[Any, ...]:
        return tuple(read(one) for one in (value if isinstance(value, list) else [value]))

    return read_all


def who(value: Any) -> str:
    if text(value) not in WHO[:-1] and not re.fullmatch(r"header:[A-Za-z0-9!#$%&'*+.^_`|~-]+", value):
        raise ValueError(f"expected {', '.join(WHO[:-1])} or {WHO[-1]}, not {value!r}{_meant(value, WHO)}")
    return f"header:{header_of(value)}" if header_of(value) else str(value)


def name(value: Any) -> str:
    if not NAME.fullmatch(text(value)):
        raise ValueError(f"expected 1 to 64 letters, digits and any of _.*-, not {value!r}")
    return str(value)


def method(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z-]+", text(value)):
        raise ValueError(f"expected a method like GET, not {value!r}")
    return str(value).upper()


def path(value: Any) -> str:
    Where([text(value)])
    return str(value)


def header(value: Any) -> str:
    return text(value).lower()


def network(value: Any) -> Network:
    return Network(text(value))


def anything(value: Any) -> Any:
    return value


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _meant(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(str(word), list(known), 1)
    return f"; do you mean {near[0]}?" if near else ""


# What may be written: for each section the keys, and how each is read

HOW_MUCH: dict[str, Reader] = {
    "burst": number(1, 2**53),
    "algorithm": choice(*VARIANTS),
    "aligned": truth,
    "log_denied": truth,
    "rounding": choice("ceil", "floor"),
    "queue": truth,
    "start_full": truth,
}
LIMIT: dict[str, Reader] = {"limit": text, "name": name, **HOW_MUCH}
ALLOW: dict[str, Reader] = {
    "ip": one_or_more(network),
    "user": one_or_more(text),
    "api_key": one_or_more(text),
    "path": one_or_more(path),
    "method": one_or_more(method),
}
ROUTE: dict[str, Reader] = {
    "name": name,
    "path": one_or_more(path),
    "method": one_or_more(method),
    "limit": anything,
    "cost": number(1, COST_MOST),
    "exempt": truth,
    **HOW_MUCH,
}
DEFAULTS: dict[str, Reader] = {
    "algorithm": choice(*VARIANTS),
    "on_failure": choice(*get_args(OnFailure)),
    "absent": choice(*get_args(Absent)),
    "ipv4_prefix": number(0, 32),
    "ipv6_prefix": number(0, 128),
}
RULE: dict[str, Reader] = {
    **ROUTE,
    **DEFAULTS,
    "who": one_or_more(who),
    "shadow": truth,
    "allow": anything,
    "routes": anything,
}
del RULE["exempt"]
CLIENT: dict[str, Reader] = {
    "trusted_proxies": one_or_more(network),
    "forwarded": choice(*get_args(ForwardedBy)),
    "user_header": header,
    "api_key_header": header,
}
HEADERS: dict[str, Reader] = {"send": choice(*get_args(When)), "legacy": choice(*get_args(Legacy))}
FILE: dict[str, Reader] = {
    "client": anything, "defaults": anything, "headers": anything, "allow": anything, "rules": anything,
    "server": anything,  # options.py reads it
}  # fmt: skip


HOMES = {"[client]": CLIENT, "[headers]": HEADERS, "[[rules]]": RULE, "[defaults]": DEFAULTS}


def _home(key: str) -> str:
    """For a key in the wrong section: the right ones."""
    homes = [title for title, keys in HOMES.items() if key in keys]
    return f"; it belongs in {' or '.join(homes)}" if homes else ""


def read_rules(content: str, file: str = "rules.toml") -> RuleSet:
    """The rules that `content` says.  Raises RulesError with every mistake in it."""
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise RulesError([f"{file}: {error}"]) from None
    reading = _Reading(file, lines_of(content))
    rules = reading.file(document)
    if reading.errors:
        raise RulesError([message for _, message in sorted(reading.errors, key=lambda error: error[0])])
    assert rules is not None
    return rules


Place = tuple[str | int, ...]
"""The keys from the top of the file to a value: ("rules", 0, "limit")."""

HEADING = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def lines_of(content: str) -> dict[Place, int]:
    """Where each table and key stands, counted from 1: tomllib does not tell.

    It reads only how lines begin, which is enough for a file that tomllib has read already; texts over several lines
    could hold what looks like a key, and would then name a line too many, never hide one.
    """
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for line_number, line in enumerate(content.splitlines(), start=1):
        if heading := HEADING.match(line):
            table = ()
            keys = [key.strip().strip("\"'") for key in heading[2].split(".")]
            for position, key in enumerate(keys):
                table = (*table, key)
                last = position == len(keys) - 1
                if last and heading[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            lines.setdefault(table, line_number)
        elif match := KEY.match(line):
            keys = [key.strip().strip("\"'") for key in match[1].split(".")]
            for end in range(1, len(keys) + 1):
                lines.setdefault((*table, *keys[:end]), line_number)
    return lines


@dataclass
class _Reading:
    """One file on its way to a RuleSet, and the mistakes found so far: (line, message)."""

    name: str
    lines: Mapping[Place, int]
    errors: list[tuple[int, str]] = field(default_factory=list)
    titles: dict[Place, str] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)

    def error(self, place: Place, reason: str) -> None:
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known, 0)
        where = f"{self.name}, line {line}" if line else self.name
        title = self.title(place)
        self.errors.append((line, f"{where}: {title}: {reason}" if title else f"{where}: {reason}"))

    def title(self, place: Place) -> str:
        """`rules.per-address.limit`: rules by name, or by number where they have none."""
        words: list[str] = []
        for end in range(1, len(place) + 1):
            part = self.titles.get(place[:end], place[end - 1])
            words.append(str(part + 1 if isinstance(part, int) else part))
        return ".".join(words)

    def section(self, place: Place, value: Any, keys: Mapping[str, Reader]) -> dict[str, Any]:
        """The values of a table that are right; the others become errors."""
        if not isinstance(value, dict):
            self.error(place, f"expected a table, not {_shown(value)}")
            return {}
        found = {}
        for key, one in value.items():
            if key not in keys:
                self.error((*place, key), f"unknown{_meant(key, keys) or _home(key)}")
                continue
            try:
                found[key] = keys[key](one)
            except (ValueError, AddressError) as error:
                self.error((*place, key), str(error))
        return found

    def tables(self, place: Place, value: Any) -> list[Any]:
        if isinstance(value, list):
            return value
        self.error(place, f"expected tables, [[{'.'.join(str(part) for part in place if isinstance(part, str))}]]")
        return []

    # From the top to the bottom of a file

    def file(self, document: Mapping[str, Any]) -> RuleSet | None:
        sections = self.section((), document, FILE)
        self.client = self.section(("client",), sections.get("client", {}), CLIENT)
        self.defaults = self.section(("defaults",), sections.get("defaults", {}), DEFAULTS)
        headers = self.section(("headers",), sections.get("headers", {}), HEADERS)
        allow = self.allow(("allow",), sections["allow"]) if "allow" in sections else None
        raw = self.tables(("rules",), sections.get("rules", []))
        for index, value in enumerate(raw):
            if isinstance(value, dict) and isinstance(value.get("name"), str):
                self.titles["rules", index] = value["name"]
        rules = [self.rule(("rules", index), value) for index, value in enumerate(raw)]
        self.unique(rules)
        if self.errors:
            return None
        proxies = Proxies((), self.client.get("forwarded", "x-forwarded-for"))
        proxies.trusted = self.client.get("trusted_proxies", ())
        return RuleSet(
            [rule for rule in rules if rule is not None],
            allow=allow,
            proxies=proxies,
            headers=HeaderWriter(headers.get("send", "always"), headers.get("legacy", "none")),
        )

    def unique(self, rules: Sequence[Rule | None]) -> None:
        """State is kept by name: two rules of one name would share it."""
        taken: set[str] = set()
        for index, rule in enumerate(rules):
            if rule is None:
                continue
            for place, its_name in (
                (("rules", index), rule.name),
                *((("rules", index, "routes", i), route.name) for i, route in enumerate(rule.routes) if route.policies),
            ):
                if its_name in taken:
                    self.error((*place, "name"), f"the name {its_name!r} is taken; give another one")
                taken.add(its_name)

    def allow(self, place: Place, value: Any) -> AllowList:
        found = self.section(place, value, ALLOW)
        paths, methods = found.get("path", ()), found.get("method", ())
        return AllowList(
            networks=found.get("ip", ()),
            users=frozenset(found.get("user", ())),
            api_keys=frozenset(found.get("api_key", ())),
            where=Where(paths, methods) if paths or methods else None,
            user_header=self.client.get("user_header", ""),
            api_key_header=self.client.get("api_key_header", "x-api-key"),
        )

    def rule(self, place: Place, value: Any) -> Rule | None:
        found = self.section(place, value, RULE)
        if not isinstance(value, dict):
            return None
        said = self.defaults | found
        for needed in ("name", "limit"):
            if needed not in value:
                self.error(place, f"has no {needed}")
        if "name" not in found:
            return None
        counted = WhoIsCounted(
            said.get("who", ()),
            Prefixes(said.get("ipv4_prefix", 32), said.get("ipv6_prefix", 64)),
            said.get("absent", "ip"),
            user_header=self.client.get("user_header", ""),
            api_key_header=self.client.get("api_key_header", "x-api-key"),
        )
        rule = Rule(
            said["name"],
            counted,
            Where(said.get("path", ()), said.get("method", ())),
            said.get("cost", 1),
            said.get("shadow", False),
            said.get("on_failure", "open"),
            self.allow((*place, "allow"), said["allow"]) if "allow" in said else None,
        )
        if "limit" in found:
            rule.policies = self.policies(place, rule.name, rule, said)
        raw = self.tables((*place, "routes"), said["routes"]) if "routes" in said else []
        routes = [self.route((*place, "routes", index), one, rule, said) for index, one in enumerate(raw)]
        rule.routes = tuple(route for route in routes if route is not None)
        self.costs(place, rule)
        return rule

    def route(self, place: Place, value: Any, rule: Rule, of_rule: Mapping[str, Any]) -> Route | None:
        found = self.section(place, value, ROUTE)
        if not isinstance(value, dict):
            return None
        if not {"path", "method"} & set(value):
            self.error(place, "has neither path nor method: it would match everywhere")
        if not {"limit", "cost", "exempt"} & set(value):
            self.error(place, "changes nothing: give it a limit, a cost, or exempt = true")
        if found.get("exempt") and {"limit", "cost"} & set(found):
            self.error(place, "an exempt route has neither limit nor cost")
        where = Where(found.get("path", ()), found.get("method", ()))
        route_name = found.get("name") or f"{rule.name}.{_slug((*found.get('method', ()), *where.paths))}"
        policies: tuple[Policy, ...] = ()
        if "limit" in found:
            inherited = {key: value for key, value in of_rule.items() if key in HOW_MUCH and key != "burst"}
            policies = self.policies(place, route_name, rule, inherited | found)
        return Route(where, route_name, policies, found.get("cost"), found.get("exempt", False))

    def policies(self, place: Place, base: str, rule: Rule, said: Mapping[str, Any]) -> tuple[Policy, ...]:
        """One for each limit; of several, each bears the rule's name and a number unless it has its own."""
        raw = said["limit"]
        several = isinstance(raw, list) and len(raw) > 1
        options = {key: said[key] for key in HOW_MUCH if key in said}
        found: list[Policy] = []
        for index, value in enumerate(raw if isinstance(raw, list) else [raw]):
            its_place = (*place, "limit", index) if several else (*place, "limit")
            its = self.section(its_place, value if isinstance(value, dict) else {"limit": value}, LIMIT)
            if "limit" not in its:
                if isinstance(value, dict) and "limit" not in value:
                    self.error(its_place, "has no limit")
                continue
            its_name = its.pop("name", None) or (f"{base}.{index + 1}" if several else base)
            try:
                policy = self.policy(its_name, its, options, rule)
            except LimitError as error:
                self.error(its_place, str(error))
                continue
            if any(policy.limit == other.limit for other in found):
                self.error(its_place, f"{policy.limit} stands here twice")
            elif any(policy.name == other.name for other in found):
                self.error(its_place, f"the name {policy.name!r} stands here twice")
            found.append(policy)
        if raw == []:
            self.error((*place, "limit"), "is empty")
        return tuple(found)

    def policy(self, its_name: str, its: Mapping[str, Any], options: Mapping[str, Any], rule: Rule) -> Policy:
        """Raises LimitError."""
        options = {**options, **{key: value for key, value in its.items() if key != "limit"}}
        if "burst" in options and "burst" not in its and re.search(r"\bburst\b", its["limit"], re.IGNORECASE):
            raise LimitError(f"{its['limit']!r} has a burst, and `burst` is given as well")
        return Policy(its_name, Limit.parse(its["limit"], **options), rule)

    def costs(self, place: Place, rule: Rule) -> None:
        """A cost over the capacity could never pass: that is a mistake now, not a denial for ever."""
        for at, cost, policies in [
            (place, rule.cost, rule.policies),
            *(
                (
                    (*place, "routes", index),
                    rule.cost if route.cost is None else route.cost,
                    route.policies or rule.policies,
                )
                for index, route in enumerate(rule.routes)
            ),
        ]:
            for policy in policies:
                if policy.limit.rate and cost > policy.limit.capacity:
                    reason = f"{cost} can never pass: {policy.name} admits {policy.limit.capacity} at most"
                    self.error((*at, "cost"), reason)


def _slug(words: Iterable[str]) -> str:
    return re.sub(r"[^A-Za-z0-9_.*]+", "-", " ".join(words)).strip("-")[:40] or "all"

"""What the service says of verdicts and rules, as JSON."""

from __future__ import annotations

from typing import Any

from ratelimit.decision import Decision
from ratelimit.rules import Policy, Rule, Verdict


def described(verdict: Verdict) -> dict[str, Any]:
    """A verdict for programs: the strictest policy's words on top, each policy's below."""
    said: dict[str, Any] = {"allowed": verdict.allowed}
    if verdict.policy is not None and verdict.decision is not None:
        said |= {"rule": verdict.policy.name, **_numbers(verdict.decision)}
        said["delay_ms"] = verdict.delay_ms
    said["limits"] = [
        {"rule": policy.name, "allowed": decision.allowed, **_numbers(decision)} for policy, decision in verdict.parts
    ]
    if verdict.shadows:
        said["shadow"] = [
            {"rule": policy.name, "allowed": decision.allowed, **_numbers(decision)}
            for policy, decision in verdict.shadows
        ]
    return said


def _numbers(decision: Decision) -> dict[str, int]:
    return {
        "remaining": decision.remaining,
        "retry_after_ms": decision.retry_after_ms,
        "reset_ms": decision.reset_ms,
    }


def described_rule(rule: Rule) -> dict[str, Any]:
    """A rule for programs."""

    def limits(policies: tuple[Policy, ...]) -> list[dict[str, str]]:
        return [
            {"name": policy.name, "limit": str(policy.limit), "algorithm": policy.limit.algorithm}
            for policy in policies
        ]

    return {
        "name": rule.name,
        "who": list(rule.who.names),
        "paths": list(rule.where.paths),
        "methods": sorted(rule.where.methods),
        "limits": limits(rule.policies),
        "cost": rule.cost,
        "shadow": rule.shadow,
        "on_failure": rule.on_failure,
        "routes": [
            {
                "name": route.name,
                "paths": list(route.where.paths),
                "methods": sorted(route.where.methods),
                "limits": limits(route.policies),
                "cost": route.cost,
                "exempt": route.exempt,
            }
            for route in rule.routes
        ],
    }

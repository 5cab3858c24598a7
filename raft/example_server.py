"""The replicated table as a server: what a client sends, and the four things it may be told.

    request   [number, "propose", command] | [number, "read", key] | [number, "transfer", to]
              | [number, "members", change, node]
    answer    [number, "ok", value] | [number, "elsewhere", leader] | [number, "lost", None] | [number, "unknown", None]
              | [number, "refused", reason]

Frames as between peers: a length of four bytes, then msgpack.  Answers may come in another order than the requests; the
number tells which is which.  This is all that a service on Raft needs: try to propose or to read, and translate three
exceptions.  minikafka's controller does the same with Kafka's requests and errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgpack

from raft.driver import Driver, OutcomeUnknown, ProposalLost
from raft.example_kv import Refused as CommandRefused
from raft.example_kv import Table
from raft.membership import Membership
from raft.ready import NotLeader, Refused
from raft.transport import Frames, frame


class ReplicatedTable(Table):
    """The table, as the driver wants it."""

    def leadership(self, term: int, leader: int | None) -> None:
        """It does not mind who leads."""


class Client(Frames):
    """One client's connection."""

    def __init__(self, driver: Driver, table: Table) -> None:
        super().__init__()
        self._driver, self._table = driver, table

    def payload(self, payload: bytes) -> None:
        number, kind, *arguments = msgpack.unpackb(payload, use_list=False)
        try:
            waiting, answer = self._begin(kind, *arguments)
        except NotLeader as elsewhere:
            self._answer(number, "elsewhere", elsewhere.leader)
        except (Refused, ValueError):
            self._answer(number, "elsewhere", None)
        except OutcomeUnknown:
            self._answer(number, "unknown", None)
        else:
            waiting.add_done_callback(lambda done: self._done(number, done, answer))

    def _begin(self, kind: str, argument: Any, *more: Any) -> tuple[asyncio.Future[Any], Callable[[Any], Any]]:
        """What to wait for, and what to answer then."""
        driver = self._driver
        if kind == "propose":
            return driver.propose(argument), lambda result: result
        if kind == "read":
            return driver.read(), lambda _: self._table.get(argument)
        if kind == "transfer":
            driver.transfer_leadership(argument)
            return driver.read(), lambda _: None
        return driver.propose_membership(changed(driver.node.membership, argument, *more)), lambda _: None

    def _done(self, number: int, done: asyncio.Future[Any], answer: Callable[[Any], Any]) -> None:
        error = done.exception()
        if isinstance(error, ProposalLost):
            self._answer(number, "lost", None)
        elif isinstance(error, NotLeader):
            self._answer(number, "elsewhere", error.leader)
        elif error is not None:
            self._answer(number, "unknown", None)
        elif isinstance(result := answer(done.result()), CommandRefused):
            self._answer(number, "refused", str(result))
        else:
            self._answer(number, "ok", result)

    def _answer(self, number: int, status: str, value: Any) -> None:
        if not self.transport.is_closing():
            self.transport.write(frame(cast(bytes, msgpack.packb([number, status, value]))))


def changed(membership: Membership, change: str, node: int) -> Membership:
    """The membership with one node more or less.  A new one listens first ("learn"), then it is given its vote ("add")."""
    others, learners = membership.voters - {node}, membership.learners - {node}
    if change == "learn":
        return membership if node in membership.voters else Membership(membership.voters, learners | {node})
    if change == "add":
        return Membership(others | {node}, learners)
    return Membership(others, learners)

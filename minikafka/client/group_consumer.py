"""A consumer whose partitions are its share of a group's, and whose positions are kept by the coordinator.

    poll ──> must we join?  commit what was read, give the share back, join, begin at the committed offsets ──> fetch
        └──> every `commit_every_s`: commit

What poll has handed out is committed by the next poll at the earliest, so a consumer that dies reads some records again:
at least once.  Committing before handing out would lose some instead: at most once.

Source: Kafka's `ConsumerCoordinator`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from minikafka.client import admin
from minikafka.client.cluster import Cluster
from minikafka.client.consumer import Consumed, Consumer, ConsumerSettings
from minikafka.client.group_member import AGAIN, GroupMember, MemberSettings
from minikafka.client.offsets import LATEST, Place
from minikafka.wire.errors import ErrorCode, KafkaError

LOOK_S = 0.1
"""How long a poll fetches before it looks again whether a heartbeat asked us to join."""


class GroupConsumer(Consumer):
    """Use it as `async with GroupConsumer(cluster, group, topics) as consumer`; poll it, or it does not join.

    commit_every_s  None: only `commit` commits
    """

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        topics: Sequence[str],
        settings: ConsumerSettings | None = None,
        member: MemberSettings | None = None,
        commit_every_s: float | None = 5.0,
    ) -> None:
        super().__init__(cluster, settings)
        self.member = GroupMember(cluster, group, topics, member)
        self.commit_every_s = commit_every_s
        self.committed: dict[Place, int] = {}
        self._commit_due = 0.0

    async def __aenter__(self) -> GroupConsumer:
        self.background.start(self.member.beat_for_ever(), "heartbeats")
        return self

    async def close(self) -> None:
        """Commit, leave the group, end."""
        await super().close()
        with suppress(KafkaError):  # then the session ends by itself, and others read again what we have read
            if self.commit_every_s is not None and not self.member.must_join:
                await self.commit()
            await self.member.leave()

    async def poll(self, timeout_s: float, max_records: int = 500) -> list[Consumed]:
        """As Consumer.poll; `timeout_s` counts from when there is a share to read.  Raises KafkaError."""
        deadline = self._loop.time() + timeout_s
        while True:
            if self.member.failure is not None:
                raise self.member.failure
            if self.member.must_join:
                await self._join()
                deadline = self._loop.time() + timeout_s
            if self.commit_every_s is not None and self._loop.time() >= self._commit_due:
                await self._commit_quietly()
            rest_s = max(deadline - self._loop.time(), 0.0)
            records = await super().poll(min(rest_s, LOOK_S), max_records)
            if records or self._loop.time() >= deadline:
                return records

    async def commit(self) -> None:
        """Keep the positions.  Raises KafkaError, of AGAIN when the share is ours no more."""
        moved = {place: offset for place, offset in self.positions.items() if self.committed.get(place) != offset}
        if not moved:
            return
        member = self.member
        await admin.commit_offsets(
            self.cluster,
            member.group,
            moved,
            generation=member.generation,
            member_id=member.member_id,
            instance_id=member.settings.instance_id,
        )
        self.committed.update(moved)

    async def _commit_quietly(self) -> None:
        """What comes to nothing now is made up for by the next time, or by whoever reads after us."""
        assert self.commit_every_s is not None
        self._commit_due = self._loop.time() + self.commit_every_s
        try:
            await self.commit()
        except KafkaError as error:
            if error.code in AGAIN:
                self.member.must_join = True
            elif not error.code.retriable:
                raise

    async def _join(self) -> None:
        member = self.member
        if member.generation >= 0 and self.commit_every_s is not None:
            with suppress(KafkaError):
                await self.commit()
        await self.assign({})
        share = await member.join()
        known = await admin.committed_offsets(self.cluster, member.group, share) if share else {}
        reset = self.settings.reset
        lost = [place for place in share if place not in known]
        if lost and reset is None:
            raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE, f"nothing is committed for {lost}")
        await self.assign(
            {place: known[place].offset if place in known else LATEST if reset is None else reset for place in share}
        )
        self.committed = {place: known[place].offset for place in share if place in known}
        self._commit_due = self._loop.time() + (self.commit_every_s or 0.0)

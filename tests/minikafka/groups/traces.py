"""Stories of groups, told in text: what is done, and below it, indented, all that happens because of it.

    join one                 its JoinGroup; the first gets an id, the second is made with that id
        one <- MEMBER_ID_REQUIRED
    wait 3000
        one <- generation 1, range, leads one

Members are called by names; ids do not appear.  `python -m tests.minikafka.groups.traces` writes the indented lines anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minikafka.groups.settings import GroupSettings
from minikafka.records.batch import read_records
from minikafka.records.coordinator import (
    ConsumerProtocolSubscription,
    GroupMetadataKey,
    OffsetCommitKey,
    decode_key,
    decode_value,
    encode_versioned,
)
from minikafka.wire.errors import ErrorCode
from tests.minikafka.groups.desk import Desk

FOLDER = Path(__file__).parents[2] / "traces" / "kafka" / "groups"
INDENT = "    "


class Story:
    """Runs commands at a desk and writes down what happens."""

    def __init__(self) -> None:
        self.desk = Desk(GroupSettings())
        self.desk.written = self.tell_log  # type: ignore[method-assign]
        self.lines: list[str] = []
        self.ids: dict[str, str] = {}  # name -> member id
        self.names: dict[str, str] = {}  # member id -> name
        self.generations: dict[str, int] = {}
        self.instances: dict[str, str] = {}
        self.owned: dict[str, str] = {}

    def say(self, text: str) -> None:
        self.lines.append(INDENT + text)

    def run(self, command: str) -> None:
        verb, *words = command.split()
        arguments = [word for word in words if "=" not in word]
        named = dict(word.split("=", 1) for word in words if "=" in word)
        getattr(self, f"do_{verb}")(*arguments, **named)

    def tell_log(self, batch: bytearray) -> None:
        """What has been written, before anybody is answered for it."""
        for record in read_records(batch):
            self.say(f"log: {self.told(record)}")

    def told(self, record: Any) -> str:
        key = decode_key(record.key)
        if isinstance(key, OffsetCommitKey):
            if record.value is None:
                return f"{key.topic}-{key.partition} is gone"
            return f"{key.topic}-{key.partition} at {decode_value(key, record.value).offset}"
        assert isinstance(key, GroupMetadataKey)
        if record.value is None:
            return "the group is gone"
        value = decode_value(key, record.value)
        members = ", ".join(
            f"{self.name_of(each.member_id)} has {each.assignment.decode() or 'nothing'}" for each in value.members
        )
        return f"generation {value.generation}, {members or 'nobody'}"

    def do_join(
        self, name: str, instance: str | None = None, version: str = "9", topics: str = "t", protocol: str = "range",
        session: str = "10000", rebalance: str = "60000",
    ) -> None:  # fmt: skip
        if instance is not None:
            self.instances[name] = instance
        subscription = ConsumerProtocolSubscription(
            topics=topics.split(","), user_data=self.owned.get(name, "").encode()
        )
        ticket = self.desk.ticket()
        ticket.then.append(lambda answer: self.joined(name, answer))
        self.desk.ticket = lambda: ticket  # type: ignore[method-assign]
        try:
            self.desk.join(
                name,
                self.ids.get(name, ""),
                instance=self.instances.get(name),
                version=int(version),
                protocols=((protocol, encode_versioned(subscription, 1)),),
                session_ms=int(session),
                rebalance_ms=int(rebalance),
            )
        finally:
            del self.desk.ticket  # type: ignore[method-assign]

    def joined(self, name: str, answer: Any) -> None:
        error = ErrorCode(answer.error_code)
        if answer.member_id:
            self.ids[name] = answer.member_id
            self.names[answer.member_id] = name
        if error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            self.ids.pop(name, None)
        if error is not ErrorCode.NONE:
            self.say(f"{name} <- {error.name}")
            return
        self.generations[name] = answer.generation_id
        leads = [self.name_of(each.member_id) for each in answer.members]
        leader = self.name_of(answer.leader)
        if leader == name and answer.leader != answer.member_id:
            leader = "its former self"
        role = f"leads {' and '.join(leads)}" if leads else f"{leader} leads"
        skips = ", nothing to share anew" if answer.skip_assignment else ""
        self.say(f"{name} <- generation {answer.generation_id}, {answer.protocol_name}, {role}{skips}")

    def name_of(self, member_id: str) -> str:
        """Of one that has not been told its id yet: ids begin with the client's name, or its instance's."""
        known = self.names.get(member_id)
        if known is None:
            prefix = member_id.split("-")[0]
            known = next((name for name, instance in self.instances.items() if instance == prefix), prefix)
            self.names[member_id] = known
        return known

    def do_sync(self, name: str, **shares: str) -> None:
        ticket = self.desk.ticket()
        ticket.then.append(lambda answer: self.synced(name, answer))
        self.desk.ticket = lambda: ticket  # type: ignore[method-assign]
        ids = {name: member_id for member_id, name in self.names.items() if member_id in self.desk.group().members}
        try:
            self.desk.sync(
                self.ids[name],
                self.generations[name],
                {ids[member]: share.encode() for member, share in shares.items()},
                instance=self.instances.get(name),
            )
        finally:
            del self.desk.ticket  # type: ignore[method-assign]

    def synced(self, name: str, answer: Any) -> None:
        error = ErrorCode(answer.error_code)
        if error is ErrorCode.NONE:
            self.owned[name] = answer.assignment.decode()
            self.say(f"{name} <- has {self.owned[name] or 'nothing'}")
        else:
            self.say(f"{name} <- {error.name}")

    def do_heartbeat(self, *names: str) -> None:
        for name in names:
            error = self.desk.heartbeat(self.ids[name], self.generations[name], instance=self.instances.get(name))
            self.say(f"{name} <- {error.name if error else 'fine'}")

    def do_commit(self, name: str, **offsets: str) -> None:
        member_id, generation = self.ids.get(name, ""), self.generations.get(name, -1)
        places = {("t", int(partition.removeprefix("p"))): int(offset) for partition, offset in offsets.items()}
        ticket = self.desk.commit(places, member_id, generation, instance=self.instances.get(name))
        (error,) = set(self.desk.committed_errors(ticket).values())
        self.say(f"{name} <- {error.name if error else 'committed'}")

    def do_fetch(self) -> None:
        offsets = sorted(self.desk.offsets().items())
        self.say(", ".join(f"{topic}-{partition} at {offset}" for (topic, partition), offset in offsets) or "nothing")

    def do_leave(self, name: str) -> None:
        (member,) = self.desk.leave((self.ids.pop(name), self.instances.get(name))).answer.members
        self.say(f"{name} <- {ErrorCode(member.error_code).name if member.error_code else 'gone'}")

    def do_restart(self, name: str) -> None:
        """The process ends without a word and starts again: it knows its name, and nothing else."""
        self.ids.pop(name, None)
        self.generations.pop(name, None)

    def do_wait(self, ms: str, heartbeats: str = "") -> None:
        """Time passes; `heartbeats` names who goes on sending them."""
        until = self.desk.now_ms + int(ms)
        while self.desk.now_ms < until:
            self.desk.run(min(3000, until - self.desk.now_ms))
            for name in filter(None, heartbeats.split(",")):
                error = self.desk.heartbeat(self.ids[name], self.generations[name], instance=self.instances.get(name))
                if error:
                    self.say(f"{name} <- {error.name}")

    def do_failover(self) -> None:
        """Another broker leads the partition, and coordinates."""
        self.desk.fail_over()

    def do_group(self) -> None:
        group = self.desk.coordinator.groups.get("g")
        if group is None:
            self.say("there is no group")
            return
        names = [self.name_of(member_id) for member_id in group.members]
        self.say(f"{group.state}, generation {group.generation}: {' and '.join(names) or 'nobody'}")


def told_anew(text: str) -> str:
    """The story with what happens now."""
    story = Story()
    for line in text.splitlines():
        if line.startswith(INDENT):
            continue
        story.lines.append(line)
        if line and not line.startswith("#"):
            story.run(line)
    return "\n".join(story.lines) + "\n"


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.txt")):
        path.write_text(told_anew(path.read_text()))

"""Stories: conversations with a Kafka, the same with Apache's and with ours.

    @theme.story
    def a_member_alone(stage: Stage) -> None:
        \"\"\"The first member leads; its generation is 1.\"\"\"
        a = stage.connect("a")
        answer = a.ask(JoinGroupRequest(group_id="alone", ...), 3)
        a.ask(SyncGroupRequest(group_id="alone", member_id=answer.member_id, ...), 2)

A story is a plain function that talks; what a server hands out is a variable in it.  The stage writes every exchange
down as a `Step`.  Played before Apache Kafka the steps go to a golden file, played before ours they are compared with
it.  What prepares a story and is not its subject is said `backstage`, and not written down.

Blocking sockets do: a story is a sequence, and where two members must wait for each other one sends, the other asks,
and the first answer is read afterwards.
"""

import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from minikafka.wire.apis import BY_NAME, Api
from minikafka.wire.compile import decode
from minikafka.wire.errors import ErrorCode
from minikafka.wire.frame import request_frame, response_header
from minikafka.wire.messages.cluster import ApiVersionsRequest
from minikafka.wire.messages.fetch import ListOffsetsRequest
from minikafka.wire.messages.groups import DescribeGroupsRequest, FindCoordinatorRequest
from minikafka.wire.messages.metadata import MetadataRequest
from minikafka.wire.messages.topics import CreateTopicsRequest
from minikafka.wire.types import Struct, WireError

PATIENCE_S = 5.0
POLL_S = 0.01
NO_ANSWER = "no answer"
CLOSED = "the connection is closed"

Answer = Any  # a response; stories read its fields without a cast for each
S = TypeVar("S", bound=Struct)


@dataclass
class Step:
    """One exchange: who asked what, as bytes, and what came back."""

    who: str
    what: str
    """The API's name and version, "JoinGroup 9"; before it in brackets what a frame is that was made by hand."""
    request: bytes
    answer: bytes | None = None
    outcome: str = ""
    """NO_ANSWER, CLOSED, or empty when there is an answer."""


@dataclass
class Scene:
    """A story as it was played once."""

    name: str
    text: str
    steps: list[Step] = field(default_factory=list)
    broken: str = ""
    """Why it could not be told to its end."""


@dataclass
class Theme:
    """The stories of one golden file, told to one fresh server in their order."""

    name: str
    text: str
    overrides: tuple[str, ...] = ()
    """Settings of the server, as in server.properties."""
    brokers: int = 1
    stories: list[tuple[str, str, Callable[["Stage"], None]]] = field(default_factory=list)

    def story(self, function: Callable[["Stage"], None]) -> Callable[["Stage"], None]:
        self.stories.append((function.__name__, function.__doc__ or "", function))
        return function

    def story_by_version(
        self, name: str, versions: Sequence[int] = ()
    ) -> Callable[[Callable[["Stage", int], None]], Callable[["Stage", int], None]]:
        """The same story once for each version of an API that we serve, or for those given."""

        def declare(function: Callable[["Stage", int], None]) -> Callable[["Stage", int], None]:
            for version in versions or BY_NAME[name].served:
                told = _with_version(function, version)
                self.stories.append((f"{function.__name__}_{version}", function.__doc__ or "", told))
            return function

        return declare

    def play(self, addresses: dict[int, tuple[str, int]], only: str = "") -> list[Scene]:
        """Every story whose name contains `only`, to the brokers at these addresses by node id.

        A story that cannot go on, because an answer is missing or is not what it needs, ends there: see `Scene.broken`.
        """
        scenes = []
        for name, text, function in self.stories:
            if only not in name:
                continue
            scene = Scene(name, " ".join(text.split()))
            try:
                with Stage(addresses, scene, name) as stage:
                    function(stage)
            except (OSError, AssertionError, WireError, LookupError) as error:
                scene.broken = f"{type(error).__name__}: {error}"
            scenes.append(scene)
        return scenes


def _with_version(function: Callable[["Stage", int], None], version: int) -> Callable[["Stage"], None]:
    return lambda stage: function(stage, version)


class Stage:
    """Where one story is played: the brokers' addresses, the connections opened, the steps so far."""

    def __init__(self, addresses: dict[int, tuple[str, int]], scene: Scene, name: str) -> None:
        self.addresses, self.scene = addresses, scene
        self.name = name.replace("_", "-")
        """Free for topics and groups: no other story uses it."""
        self._connections: list[Connection] = []
        self._backstage: dict[int, Connection] = {}

    def connect(self, who: str = "a", node: int = 1) -> "Connection":
        """A new connection; `who` is its name in the golden file and its client id."""
        connection = Connection(self, who, self.addresses[node])
        self._connections.append(connection)
        return connection

    def backstage(self, node: int = 1) -> "Connection":
        """The connection whose exchanges are not written down."""
        if node not in self._backstage:
            self._backstage[node] = self.connect("", node)
        return self._backstage[node]

    def topic(self, suffix: str = "", partitions: int = 1, copies: int = 1, **configs: str) -> str:
        """A fresh topic, called like the story, with a leader for each partition; its name."""
        return self.topic_named(f"{self.name}{suffix}", partitions, copies, **configs)

    def topic_named(self, name: str, partitions: int = 1, copies: int = 1, **configs: str) -> str:
        Topic, Config = CreateTopicsRequest.Topic, CreateTopicsRequest.Topic.Config
        settings = [Config(name=key.replace("_", "."), value=value) for key, value in configs.items()]
        wanted = Topic(name=name, num_partitions=partitions, replication_factor=copies, configs=settings)
        made = self.backstage().ask(CreateTopicsRequest(topics=[wanted], timeout_ms=10000), 7)
        assert made.topics[0].error_code == 0, made
        for node in self.addresses:
            self.settled(name, partitions, node)
        return name

    def settled(self, topic: str, partitions: int = 1, node: int = 1) -> Answer:
        """Metadata of a topic as soon as it has its leaders and replicas, as this node knows it."""

        def there(answer: Answer) -> bool:
            found = answer.topics[0]
            return (
                found.error_code == 0
                and len(found.partitions) == partitions
                and all(part.error_code == 0 and part.leader_id >= 0 for part in found.partitions)
                and all(sorted(part.isr_nodes) == sorted(part.replica_nodes) for part in found.partitions)
            )

        request = MetadataRequest(topics=[MetadataRequest.Topic(name=topic)], allow_auto_topic_creation=False)
        known = self.backstage(node).until(there, request, 12)
        self._led(topic, known)
        return known

    def _led(self, topic: str, known: Answer) -> None:
        """Until each leader knows that it is one: a broker may say so to others before it acts on it itself."""
        Topic = ListOffsetsRequest.Topic
        for part in known.topics[0].partitions:
            asked = [Topic.Partition(partition_index=part.partition_index, timestamp=-1)]
            request = ListOffsetsRequest(replica_id=-1, topics=[Topic(name=topic, partitions=asked)])
            leader = self.backstage(part.leader_id)
            leader.until(lambda answer: answer.topics[0].partitions[0].error_code == 0, request, 5)

    def topic_id(self, topic: str) -> bytes:
        uuid: bytes = self.settled(topic, len(self._metadata(topic).partitions)).topics[0].topic_id
        return uuid

    def leader(self, topic: str, partition: int = 0) -> int:
        found: int = next(p.leader_id for p in self._metadata(topic).partitions if p.partition_index == partition)
        return found

    def _metadata(self, topic: str) -> Answer:
        request = MetadataRequest(topics=[MetadataRequest.Topic(name=topic)])
        return self.backstage().ask(request, 12).topics[0]

    def coordinator(self, group: str) -> int:
        """The node that coordinates a group, as soon as it does."""
        request = FindCoordinatorRequest(coordinator_keys=[group])
        ready = self.backstage().until(lambda answer: answer.coordinators[0].error_code == 0, request, 4)
        found: int = ready.coordinators[0].node_id
        described = DescribeGroupsRequest(groups=[group])
        self.backstage(found).until(lambda answer: answer.groups[0].error_code == 0, described, 5)
        return found

    def __enter__(self) -> "Stage":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections:
            connection.close()


class Connection:
    """One client's socket.  Requests go out numbered; answers come back in that order."""

    def __init__(self, stage: Stage, who: str, address: tuple[str, int]) -> None:
        self.who, self._stage = who, stage
        self._socket = socket.create_connection(address, timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation_id = 0
        self.ended = False

    def ask(self, request: Struct, version: int) -> Answer:
        """Send, and wait for the answer."""
        return self.send(request, version).answer()

    def send(self, request: Struct, version: int) -> "Held":
        """Send only; the answer is read by `Held.answer`."""
        self._correlation_id += 1
        frame = request_frame(request, version, self._correlation_id, self.who or "backstage")
        name = type(request).__name__.removesuffix("Request")
        step = Step(self.who, f"{name} {version}", frame)
        return self._sent(step, BY_NAME[name], version)

    def until(self, content: Callable[[Answer], bool], request: Struct, version: int) -> Answer:
        """Ask again and again until the answer is to one's content; only the last exchange is written down."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            held = self.send(request, version)
            answer = held.answer()
            if content(answer):
                return answer
            assert time.monotonic() < deadline, f"{self._stage.scene.name}: still {answer!r}"
            if self.who:
                self._stage.scene.steps.remove(held.step)
            time.sleep(POLL_S)

    def tell(self, request: Struct, version: int) -> None:
        """Send what has no answer: the next question's answer shows that none came before it."""
        held = self.send(request, version)
        held.step.outcome = NO_ANSWER
        self.probe()

    def probe(self) -> None:
        """The connection lives and nothing unread is on it."""
        who, self.who = self.who, ""
        self.ask(ApiVersionsRequest(), 0)
        self.who = who

    def raw(self, what: str, frame: bytes, name: str = "ApiVersions", version: int = 0) -> "Held":
        """Bytes as they are; should there be an answer, it is read as one of API `name`."""
        return self._sent(Step(self.who, f"({what}) {name} {version}", frame), BY_NAME[name], version)

    def _sent(self, step: Step, api: Api, version: int) -> "Held":
        if self.who:
            self._stage.scene.steps.append(step)
        self._socket.sendall(step.request)
        return Held(self, step, api, version)

    def read(self) -> bytes:
        """The next whole frame.  Raises ConnectionError at the end of the stream."""
        size = self._exactly(4)
        return size + self._exactly(struct.unpack(">i", size)[0])

    def _exactly(self, count: int) -> bytes:
        pieces = []
        while count:
            piece = self._socket.recv(count)
            if not piece:
                self.ended = True
                raise ConnectionError("closed")
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self._socket.close()


@dataclass
class Held:
    """A question whose answer has not been read."""

    connection: Connection
    step: Step
    api: Api
    version: int

    def answer(self) -> Answer:
        """The decoded answer; in ApiVersions a refusal comes in version 0, whatever was asked."""
        self.step.answer = frame = self.connection.read()
        _, position = response_header(frame, self.api, self.version)
        message, end = decode(self.api.response, answer_version(self.api, self.version, frame), frame, position)
        assert end == len(frame), f"{len(frame) - end} bytes behind {message!r}"
        return message

    def closed(self) -> None:
        """No answer, but the end of the connection."""
        try:
            frame = self.connection.read()
        except ConnectionError:
            self.step.outcome = CLOSED
        else:
            raise AssertionError(f"{self.connection._stage.scene.name}: an answer instead of the end: {frame.hex()}")

    def either(self) -> None:
        """An answer or the end of the connection: the golden file says which."""
        try:
            self.answer()
        except ConnectionError:
            self.step.outcome = CLOSED


def answer_version(api: Api, version: int, frame: bytes) -> int:
    """The version a response is laid out in: that of its question, but for a refusal to tell versions (KIP-511)."""
    refused = api.name == "ApiVersions" and frame[8:10] == struct.pack(">h", ErrorCode.UNSUPPORTED_VERSION)
    return 0 if refused else version

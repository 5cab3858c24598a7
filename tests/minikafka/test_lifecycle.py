"""A broker's standing with the controller: registered, fenced, serving, leaving (KIP-631, KIP-966)."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from minikafka.controller_channel import ControllerUnavailable
from minikafka.lifecycle import Lifecycle, RegistrationRefused
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.controller import (
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
)
from simulation.world import World

INTERVAL_MS = 100


class Controller:
    """Says what the test tells it to, to heartbeats and registrations; in place of a ControllerChannel.

    None for an answer: nobody answers in time.
    """

    def __init__(self) -> None:
        self.registrations: list[Any] = [BrokerRegistrationResponse(broker_epoch=10)]  # in turn; the last one for ever
        self.fenced = False
        self.may_stop = False
        self.error = ErrorCode.NONE
        self.absent = False
        self.asked: list[tuple[float, Any]] = []
        self.told: list[tuple[float, Any]] = []  # the same, to those who are not active

    async def call(self, request: Any, timeout_s: float, *, try_s: float | None = None) -> Any:
        self.asked.append((now(), request))
        if self.absent:
            await asyncio.sleep(timeout_s)
            raise ControllerUnavailable("nobody")
        await asyncio.sleep(0.001)
        if isinstance(request, BrokerRegistrationRequest):
            return self.registrations.pop(0) if len(self.registrations) > 1 else self.registrations[0]
        return BrokerHeartbeatResponse(
            error_code=self.error, is_fenced=self.fenced, should_shut_down=self.may_stop, is_caught_up=True
        )

    def tell_standbys(self, request: Any) -> None:
        self.told.append((now(), request))

    def heartbeats(self) -> list[BrokerHeartbeatRequest]:
        return [request for _, request in self.asked if isinstance(request, BrokerHeartbeatRequest)]

    def pauses(self) -> list[float]:
        """Seconds between heartbeats."""
        times = [when for when, request in self.asked if isinstance(request, BrokerHeartbeatRequest)]
        return [round(later - earlier, 2) for earlier, later in itertools.pairwise(times)]


class Broker:
    """Broker 7, its controller, and what it says of itself."""

    def __init__(self) -> None:
        self.controller = Controller()
        self.applied = 0
        self.offline: list[bytes] = []
        self.tries = 0
        self.lifecycle = Lifecycle(
            7,
            self.controller,  # type: ignore[arg-type]
            self.registration,
            lambda: self.applied,
            lambda: self.offline,
            INTERVAL_MS,
        )

    def registration(self) -> BrokerRegistrationRequest:
        self.tries += 1
        return BrokerRegistrationRequest(broker_id=7, cluster_id="c", incarnation_id=self.tries.to_bytes(16))

    def keep_alive(self) -> None:
        asyncio.get_running_loop().create_task(self.lifecycle.keep_alive())


def now() -> float:
    return asyncio.get_running_loop().time()


def in_time(story: Callable[[Broker], Any]) -> Any:
    """`story(broker)` in virtual time."""

    async def scenario(world: World) -> Any:
        return await world.spawn("broker", told())

    async def told() -> Any:
        return await story(Broker())

    return World(1).run(scenario, until=100_000.0)


def refusing(*errors: ErrorCode) -> list[BrokerRegistrationResponse]:
    """These errors in turn, then epoch 12."""
    refused = [BrokerRegistrationResponse(error_code=error) for error in errors]
    return [*refused, BrokerRegistrationResponse(broker_epoch=12)]


# -- registration -------------------------------------------------------------------------------------------------------


def test_the_epoch_is_the_one_the_controller_gave():
    async def story(broker: Broker) -> int:
        await broker.lifecycle.register(1.0)
        return broker.lifecycle.epoch

    assert in_time(story) == 10


def test_before_it_is_registered_it_has_no_epoch_and_is_fenced():
    async def story(broker: Broker) -> tuple[int, bool]:
        return broker.lifecycle.epoch, broker.lifecycle.standing.fenced

    assert in_time(story) == (-1, True)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ErrorCode.INCONSISTENT_CLUSTER_ID, "this data belongs to another cluster"),
        (ErrorCode.INVALID_REGISTRATION, "the controller refuses this registration"),
    ],
)
def test_a_registration_that_will_never_be_taken_is_not_tried_again(error, why):
    async def story(broker: Broker) -> tuple[str, int]:
        broker.controller.registrations = refusing(error)
        with pytest.raises(RegistrationRefused) as refused:
            await broker.lifecycle.register(10.0)
        return str(refused.value), broker.tries

    assert in_time(story) == (why, 1)


def test_an_earlier_life_of_its_own_is_waited_for():
    """Its session ends a little later: until then the controller takes us for another broker with the same id."""

    async def story(broker: Broker) -> tuple[int, int, float]:
        broker.controller.registrations = refusing(*[ErrorCode.DUPLICATE_BROKER_REGISTRATION] * 3)
        began = now()
        await broker.lifecycle.register(10.0)
        return broker.lifecycle.epoch, broker.tries, round(now() - began, 1)

    assert in_time(story) == (12, 4, 0.3)


def test_what_it_registers_is_made_anew_for_each_try():
    async def story(broker: Broker) -> list[int]:
        broker.controller.registrations = refusing(ErrorCode.NOT_CONTROLLER, ErrorCode.NOT_CONTROLLER)
        await broker.lifecycle.register(10.0)
        return [int.from_bytes(request.incarnation_id) for _, request in broker.controller.asked]

    assert in_time(story) == [1, 2, 3]


def test_a_registration_ends_in_time_when_no_controller_takes_it():
    async def story(broker: Broker) -> float:
        broker.controller.registrations = [
            BrokerRegistrationResponse(error_code=ErrorCode.DUPLICATE_BROKER_REGISTRATION)
        ]
        began = now()
        with pytest.raises(TimeoutError):
            await broker.lifecycle.register(2.0)
        return round(now() - began, 2)

    assert in_time(story) == 2.0


# -- heartbeats ---------------------------------------------------------------------------------------------------------


def test_a_heartbeat_says_who_it_is_how_far_it_has_come_and_what_it_lacks():
    async def story(broker: Broker) -> Any:
        await broker.lifecycle.register(1.0)
        broker.applied, broker.offline = 41, [bytes(15) + b"\7"]
        broker.lifecycle.wants_shut_down = True
        broker.keep_alive()
        await asyncio.sleep(0.001)
        return broker.controller.heartbeats()

    assert in_time(story) == [
        BrokerHeartbeatRequest(
            broker_id=7,
            broker_epoch=10,
            current_metadata_offset=41,
            want_fence=False,
            want_shut_down=True,
            offline_log_dirs=[bytes(15) + b"\7"],
        )
    ]


def test_every_heartbeat_is_told_to_the_standbys_as_well():
    """Also while the active controller does not answer: one of them takes over then."""

    async def story(broker: Broker) -> tuple[list[Any], int]:
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        await asyncio.sleep(0.35)
        broker.controller.absent = True
        await asyncio.sleep(5)
        return [request for _, request in broker.controller.told], len(broker.controller.heartbeats())

    told, asked = in_time(story)
    assert len(told) == asked > 5
    assert {request.broker_epoch for request in told} == {10}


@pytest.mark.parametrize(
    ("fenced", "wants_fence", "wants_shut_down", "pause_s"),
    [
        (False, False, False, 0.1),
        (True, False, False, 0.01),  # to be unfenced
        (False, False, True, 0.01),  # to be let go
        (True, True, False, 0.1),  # it is as it wants to be
    ],
)
def test_it_is_eager_while_it_waits_for_the_controllers_word(fenced, wants_fence, wants_shut_down, pause_s):
    async def story(broker: Broker) -> list[float]:
        broker.controller.fenced = fenced
        broker.lifecycle.wants_fence, broker.lifecycle.wants_shut_down = wants_fence, wants_shut_down
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        await asyncio.sleep(1.0)
        return broker.controller.pauses()[2:5]

    assert in_time(story) == pytest.approx([pause_s] * 3, abs=0.005)


def test_news_is_said_at_once():
    async def story(broker: Broker) -> list[int]:
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        await asyncio.sleep(0.05)
        broker.applied = 5
        broker.lifecycle.hurry()
        await asyncio.sleep(0.01)
        return [request.current_metadata_offset for request in broker.controller.heartbeats()]

    assert in_time(story) == [0, 5]


def test_being_fenced_and_unfenced_is_what_the_controller_says():
    async def story(broker: Broker) -> list[bool]:
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        seen = []
        for fenced in (False, True, False):
            broker.controller.fenced = fenced
            await asyncio.sleep(0.3)
            seen.append(broker.lifecycle.standing.fenced)
        return seen

    assert in_time(story) == [False, True, False]


def test_a_controller_that_is_gone_changes_nothing_and_is_asked_again():
    async def story(broker: Broker) -> tuple[int, bool, bool]:
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        await asyncio.sleep(0.3)
        broker.controller.absent = True
        await asyncio.sleep(10)
        before = broker.lifecycle.epoch, broker.lifecycle.standing.fenced
        broker.controller.absent, broker.controller.fenced = False, True
        await asyncio.sleep(5)
        return *before, broker.lifecycle.standing.fenced

    assert in_time(story) == (10, False, True)


@pytest.mark.parametrize("error", [ErrorCode.STALE_BROKER_EPOCH, ErrorCode.BROKER_ID_NOT_REGISTERED])
def test_a_broker_that_the_controller_does_not_know_registers_again(error):
    async def story(broker: Broker) -> tuple[list[int], int]:
        await broker.lifecycle.register(1.0)
        broker.controller.registrations = [BrokerRegistrationResponse(broker_epoch=12)]
        broker.keep_alive()
        await asyncio.sleep(0.15)
        broker.controller.error = error
        await broker_is(broker, lambda: broker.tries == 2)
        broker.controller.error = ErrorCode.NONE
        await asyncio.sleep(0.15)
        return [request.broker_epoch for request in broker.controller.heartbeats()], broker.lifecycle.epoch

    said, epoch = in_time(story)
    assert (said[0], said[-1], epoch) == (10, 12, 12)


@pytest.mark.parametrize("error", [ErrorCode.NOT_CONTROLLER, ErrorCode.UNKNOWN_SERVER_ERROR])
def test_an_answer_with_another_error_says_nothing_of_us(error):
    async def story(broker: Broker) -> tuple[bool, int]:
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        await asyncio.sleep(0.3)
        broker.controller.error, broker.controller.fenced = error, True
        await asyncio.sleep(0.3)
        return broker.lifecycle.standing.fenced, broker.tries

    assert in_time(story) == (False, 1)


async def broker_is(broker: Broker, reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 — nobody would set an event
            await asyncio.sleep(0.001)


# -- waiting for the controller's word ----------------------------------------------------------------------------------


def test_it_waits_until_it_may_stop():
    async def story(broker: Broker) -> tuple[bool, float]:
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        began = now()
        asyncio.get_running_loop().call_later(0.5, setattr, broker.controller, "may_stop", True)
        broker.lifecycle.wants_shut_down = True
        return await broker.lifecycle.until(lambda standing: standing.may_stop, 10.0), round(now() - began, 1)

    assert in_time(story) == (True, 0.5)


def test_what_it_waits_for_is_asked_at_once():
    async def story(broker: Broker) -> tuple[bool, bool]:
        broker.controller.may_stop = True
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        await asyncio.sleep(0.03)
        broker.lifecycle.standing.may_stop = False
        began = now()
        return await broker.lifecycle.until(lambda standing: standing.may_stop, 10.0), now() - began < 0.01

    assert in_time(story) == (True, True)


def test_it_waits_no_longer_than_it_was_told_to():
    async def story(broker: Broker) -> tuple[bool, float]:
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        began = now()
        return await broker.lifecycle.until(lambda standing: standing.may_stop, 3.0), round(now() - began, 2)

    assert in_time(story) == (False, 3.0)


def test_a_controller_that_falls_silent_is_not_waited_for():
    async def story(broker: Broker) -> tuple[bool, float]:
        await broker.lifecycle.register(1.0)
        broker.keep_alive()
        await asyncio.sleep(0.3)
        broker.controller.absent = True
        began = now()
        stopped = await broker.lifecycle.until(lambda standing: standing.may_stop, 60.0, silence_s=1.0)
        return stopped, round(now() - began, 1)

    assert in_time(story) == (False, 1.0)

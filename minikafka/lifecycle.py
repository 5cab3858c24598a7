"""A broker's standing with the controller: registered, caught up, serving, leaving.

    register        who I am, where I listen, whether I went down cleanly        -> my epoch
    heartbeat       still here, metadata applied up to offset n                  -> fenced? may I stop?
    unfenced        once the metadata applied holds my own registration
    stopping        wants_shut_down, until the controller has moved my leaderships

The epoch is the offset of the registration in the metadata log.  Whatever a broker says carries it, so that nothing said
in an earlier life counts in this one.  A broker that does not know why it stopped the last time registers with previous
epoch -1, and the controller takes it out of every in-sync set: what its disk lost it must fetch again first (KIP-966).

Source: KIP-631; Kafka `BrokerLifecycleManager`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from minikafka.controller_channel import ControllerChannel, ControllerUnavailable
from minikafka.wire.errors import ErrorCode, error_named
from minikafka.wire.messages.controller import BrokerHeartbeatRequest, BrokerRegistrationRequest

logger = logging.getLogger("minikafka.broker")

FATAL = {
    ErrorCode.DUPLICATE_BROKER_REGISTRATION: "another live broker has this node.id",
    ErrorCode.INCONSISTENT_CLUSTER_ID: "this data belongs to another cluster",
    ErrorCode.INVALID_REGISTRATION: "the controller refuses this registration",
}
ANSWER_S = 1.0
EAGER_MS = 10
"""Between heartbeats while something is awaited: to be unfenced, to be let go."""


class RegistrationRefused(Exception):
    """The controller does not take this broker, and never will: `str()` says why."""


@dataclass
class Standing:
    """What the controller says of us."""

    epoch: int = -1
    fenced: bool = True
    may_stop: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Lifecycle:
    """Registers broker `me` and keeps its session alive.

    registration()      what to register, made anew for each try
    applied_offset()    of the metadata
    offline_dirs()      ids of log directories that failed
    """

    def __init__(
        self,
        me: int,
        channel: ControllerChannel,
        registration: Callable[[], BrokerRegistrationRequest],
        applied_offset: Callable[[], int],
        offline_dirs: Callable[[], list[bytes]],
        interval_ms: int,
    ) -> None:
        self.me = me
        self.channel = channel
        self.registration = registration
        self.applied_offset = applied_offset
        self.offline_dirs = offline_dirs
        self.interval_ms = interval_ms
        self.standing = Standing()
        self.wants_fence = False
        self.wants_shut_down = False
        self._beat = asyncio.Event()

    @property
    def epoch(self) -> int:
        return self.standing.epoch

    async def register(self, timeout_s: float) -> None:
        """Until a controller takes us.  Raises RegistrationRefused, ControllerUnavailable."""
        async with asyncio.timeout(timeout_s):
            while True:
                answer = await self.channel.call(self.registration(), timeout_s, try_s=ANSWER_S)
                error = error_named(answer.error_code)
                if error is ErrorCode.NONE:
                    self.standing.epoch = answer.broker_epoch
                    logger.info("Registered as broker %d, epoch %d", self.me, self.standing.epoch)
                    return
                if error in FATAL and error is not ErrorCode.DUPLICATE_BROKER_REGISTRATION:
                    raise RegistrationRefused(FATAL[error])
                if error is ErrorCode.DUPLICATE_BROKER_REGISTRATION:
                    # Our own earlier life may hold the session for a moment yet.
                    logger.warning("%s; trying again", FATAL[error])
                await asyncio.sleep(self.interval_ms / 1000)

    async def keep_alive(self) -> None:
        """Heartbeats for ever; what the controller answers is in `standing`."""
        while True:
            await self._heartbeat()
            waiting = self.wants_shut_down or (self.standing.fenced and not self.wants_fence)
            pause_ms = EAGER_MS if waiting else self.interval_ms
            try:
                async with asyncio.timeout(pause_ms / 1000):
                    await self._beat.wait()
            except TimeoutError:
                pass
            self._beat.clear()

    def hurry(self) -> None:
        """Send the next heartbeat now: something it says has changed."""
        self._beat.set()

    async def _heartbeat(self) -> None:
        request = BrokerHeartbeatRequest(
            broker_id=self.me,
            broker_epoch=self.standing.epoch,
            current_metadata_offset=self.applied_offset(),
            want_fence=self.wants_fence,
            want_shut_down=self.wants_shut_down,
            offline_log_dirs=self.offline_dirs(),
        )
        self.channel.tell_standbys(request)
        try:
            answer = await self.channel.call(request, 2 * ANSWER_S, try_s=ANSWER_S)
        except ControllerUnavailable:
            return
        error = error_named(answer.error_code)
        if error in (ErrorCode.STALE_BROKER_EPOCH, ErrorCode.BROKER_ID_NOT_REGISTERED):
            logger.warning("The controller does not know epoch %d of ours: registering again", self.standing.epoch)
            await self.register(timeout_s=3600)
            return
        if error is not ErrorCode.NONE:
            return
        standing = self.standing
        if standing.fenced != answer.is_fenced:
            logger.info("%s by the controller", "Fenced" if answer.is_fenced else "Unfenced")
        standing.fenced = answer.is_fenced
        standing.may_stop = answer.should_shut_down
        standing.changed.set()

    async def until(self, reached: Callable[[Standing], bool], timeout_s: float, silence_s: float = 3600) -> bool:
        """Wait until the controller says so; False when it has not in time, or has said nothing for `silence_s`."""
        try:
            self.hurry()
            async with asyncio.timeout(timeout_s):
                while not reached(self.standing):
                    self.standing.changed.clear()
                    async with asyncio.timeout(silence_s):
                        await self.standing.changed.wait()
        except TimeoutError:
            return False
        return True

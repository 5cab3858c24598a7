"""What the ELR is for, tried at random: with replicas failing one at a time nothing acknowledged is lost.

And the other way round: mistakes planted into the controller are found by the same runs.
"""

import pytest

from minikafka.controller import brokers, elections, isr, partitions
from minikafka.controller.image import Partition
from minikafka.wire.errors import ErrorCode
from tests.minikafka.controller.replication_model import Model

SEEDS = 25
STEPS = 400
ONE_AT_A_TIME = {"power": True, "kills_at_will": False}
KILLS = {"power": False, "kills_at_will": True}
BOTH = {"power": True, "kills_at_will": True}


def run(seeds=SEEDS, **faults):
    models = []
    for seed in range(seeds):
        model = Model(seed, **faults)
        model.run(STEPS)
        models.append(model)
    return models


@pytest.mark.parametrize("faults", [ONE_AT_A_TIME, KILLS, BOTH], ids=["power", "kills", "both"])
def test_nothing_acknowledged_is_lost_but_where_the_election_says_so(faults):
    models = run(**faults)
    assert sum(len(model.acknowledged) for model in models) > 20 * SEEDS
    assert sum(model.partition.leader_epoch for model in models) > 5 * SEEDS
    if faults is ONE_AT_A_TIME:
        assert sum(model.recoveries for model in models) == 0


def election_outside_the_isr(monkeypatch):
    def elect(partition, may_lead, election):
        return elections.Elected(next(filter(may_lead, partition.replicas), -1))

    monkeypatch.setattr(elections, "elect", elect)


def election_from_elr_before_the_isr(monkeypatch):
    right = elections.elect

    def elect(partition, may_lead, election):
        return right(partition._replace(isr=tuple({*partition.isr, *partition.elr})), may_lead, election)

    monkeypatch.setattr(elections, "elect", elect)


def leader_epoch_not_raised(monkeypatch):
    right = Partition.merge

    def merge(self, change):
        return right(self, change)._replace(leader_epoch=self.leader_epoch)

    monkeypatch.setattr(Partition, "merge", merge)


def partition_epoch_not_raised(monkeypatch):
    right = Partition.merge

    def merge(self, change):
        return right(self, change)._replace(partition_epoch=self.partition_epoch)

    monkeypatch.setattr(Partition, "merge", merge)


def unclean_registration_kept(monkeypatch):
    monkeypatch.setattr(brokers, "forget_unclean", partitions.leave)


def everyone_who_leaves_is_eligible(monkeypatch):
    right = elections.eligible_after

    def eligible_after(partition, isr, min_isr, unclean_stopped=()):
        return right(partition, isr, len(partition.replicas), unclean_stopped)

    monkeypatch.setattr(elections, "eligible_after", eligible_after)


def member_epochs_not_looked_at(monkeypatch):
    right = isr.may_be_in_sync
    monkeypatch.setattr(isr, "may_be_in_sync", lambda state, broker, epoch: right(state, broker, isr.ANY_EPOCH))


def fenced_members_accepted(monkeypatch):
    monkeypatch.setattr(isr, "may_be_in_sync", lambda state, broker, epoch: True)


def stale_proposals_accepted(monkeypatch):
    right = isr.check_proposal

    def check_proposal(state, broker_id, partition, proposal, members):
        try:
            right(state, broker_id, partition, proposal, members)
        except isr.KafkaError as error:
            if error.code is not ErrorCode.INVALID_UPDATE_VERSION:
                raise

    monkeypatch.setattr(isr, "check_proposal", check_proposal)


def who_is_fenced_stays_in_sync(monkeypatch):
    monkeypatch.setattr(brokers, "leave", lambda state, broker_id, *where: [])


@pytest.mark.parametrize(
    "plant",
    [
        election_outside_the_isr,
        election_from_elr_before_the_isr,
        leader_epoch_not_raised,
        partition_epoch_not_raised,
        unclean_registration_kept,
        everyone_who_leaves_is_eligible,
        member_epochs_not_looked_at,
        fenced_members_accepted,
        stale_proposals_accepted,
        who_is_fenced_stays_in_sync,
    ],
)
def test_a_planted_mistake_is_found(plant, monkeypatch):
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        run(seeds=8 * SEEDS, **ONE_AT_A_TIME)

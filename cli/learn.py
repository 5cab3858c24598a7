"""`mini learn raft`: an election and the repair of a log, played in the terminal.  `mini learn kafka`: a failover.

Four scenes, with the sections of the paper that tell of them.  The servers are those of raft/; which of them leads, and how
long each message takes, follows from the seed, and so do the lines: one of these performances is a test.

[R] is Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", extended version, 2014; [T] is Ongaro's
thesis, 2014.
"""

import time
from collections.abc import Iterator

import click

from cli.raft_stage import Line, Stage
from raft.ready import Role

PAUSE_S = (0.02, 1.2)  # between two lines, at speed 1


def leader_of(stage: Stage, among: set[int]) -> int | None:
    """Who leads, of those."""
    return next((id for id in sorted(among) if stage.nodes[id].role is Role.LEADER), None)


def perform(seed: int) -> Iterator[Line]:
    """The whole play, line by line."""
    stage, shown = Stage(seed), 0
    for scene in (election, replication, cut_off, repair):
        scene(stage)
        yield from stage.lines[shown:]
        shown = len(stage.lines)


def election(stage: Stage) -> None:
    stage.tell(
        "1  Somebody must lead                                              [R] §5.2, [T] §9.6",
        "",
        "Three servers with empty logs, all followers │.  Each waits for a leader, as long as its own dice say, so that",
        "they do not all stand up at once.  The first whose time is over asks whether the others would vote for it ╎;",
        "only then does it begin a new term and ask for votes.  With two of three it leads ┃.",
    )
    stage.heads()
    everyone = set(stage.nodes)
    stage.run(lambda: (leader := leader_of(stage, everyone)) is not None and stage.nodes[leader].commit_index == 1)
    stage.wait(60)
    stage.tell(
        "A leader's first entry ( · ) says nothing.  It is there because a leader may count copies only of entries of its",
        "own term, and what stands below such an entry is committed with it ([R] §5.4.2, figure 8).",
    )
    stage.logs()


def replication(stage: Stage) -> None:
    leader = leader_of(stage, set(stage.nodes))
    assert leader is not None
    stage.tell(
        "2  What a client asks goes into the log                                      [R] §5.3",
        "",
        "The leader appends it and sends it on, naming the entry before it.  Whoever has that entry takes the new one.",
        "Once a majority has it, it is committed: nothing can undo it, and the client may be told.",
    )
    stage.heads()
    for command in ("x=1", "y=2"):
        stage.propose(leader, command)
        wanted = stage.nodes[leader].last_index
        stage.run(lambda wanted=wanted: stage.nodes[leader].commit_index >= wanted)  # type: ignore[misc]
        stage.wait(50)
    stage.tell("[1 x=1] is committed, as that server knows; (1 x=1) would not be.  The 1 is the term.")
    stage.logs()


def cut_off(stage: Stage) -> None:
    old = leader_of(stage, set(stage.nodes))
    assert old is not None
    others = set(stage.nodes) - {old}
    stage.tell(
        "3  The leader is cut off, and does not know it yet                     [R] §5.2, §5.4, [T] §3.10",
        "",
        f"Every message to or from S{old} is lost from here on.  Two clients still ask it: it takes their wishes into its",
        "log, and waits for a majority that never comes.  When nobody answers it for long, it steps down: better no leader",
        "than one that is alone ([T] §6.2).  The others hear no heartbeat, and elect a leader of their own, in a newer term.",
        "In the end that leader hands over to the third server, which takes no time-out.",
    )
    stage.heads()
    stage.cut_off = {old}
    stage.propose(old, "x=7")
    stage.propose(old, "y=8")
    stage.run(lambda: leader_of(stage, others) is not None)
    new = leader_of(stage, others)
    assert new is not None
    stage.run(lambda: stage.nodes[new].commit_index == stage.nodes[new].last_index)
    stage.propose(new, "z=3")
    stage.run(lambda: stage.nodes[new].commit_index == stage.nodes[new].last_index)
    stage.run(lambda: stage.nodes[old].role is not Role.LEADER)
    (third,) = others - {new}
    stage.hand_over(new, third)
    stage.run(lambda: stage.nodes[third].role is Role.LEADER)
    stage.run(lambda: stage.nodes[third].commit_index == stage.nodes[third].last_index)
    stage.wait(30)
    stage.tell(f"Two histories: what S{old} took in is on one server of three, and nobody was told that it happened.")
    stage.logs()


def repair(stage: Stage) -> None:
    (old,) = stage.cut_off
    stage.tell(
        "4  The link is back, and the logs become one                         [R] §5.3, figure 7",
        "",
        f"S{old} has asked for votes in vain, but only whether it would get them: its term has not grown, and it disturbs",
        "nobody ([T] §9.6).  The leader sends it what comes next, is told that something else stands there, goes back to",
        "where the two logs agree, and what does not fit is overwritten.",
    )
    stage.heads()
    stage.cut_off = set()
    nodes = stage.nodes.values()
    stage.run(lambda: len({(node.commit_index, node.last_index) for node in nodes}) == 1)
    stage.wait(60)
    stage.tell(
        "x=7 and y=8 never happened.  z=3 was on two servers of three, and no election could have been won without one of",
        "them ([R] §5.4.3): what is committed stays.  That is all of Raft's promise.",
    )
    stage.logs()


@click.group()
def learn() -> None:
    """Watch an algorithm at work, step by step."""


@learn.command()
@click.option("--seed", default=1, show_default=True, help="Another one is another course of things.")
@click.option("--speed", default=1.0, show_default=True, help="2 is twice as fast; 0 does not wait at all.")
@click.option("--no-color", is_flag=True, help="Plain text, as for a file.")
def raft(seed: int, speed: float, no_color: bool) -> None:
    """An election and a log repair, by the servers of raft/ themselves."""
    before = 0
    for line in perform(seed):
        if speed > 0:
            slowest = PAUSE_S[1] if line.text else 0.3
            time.sleep(min(slowest, max(PAUSE_S[0], 0.05 * (line.ms - before))) / speed)
        before = line.ms
        click.echo(line.text, color=False if no_color else None)


@learn.command()
@click.option("--seed", default=1, show_default=True, help="Another one is another course of things.")
@click.option("--speed", default=1.0, show_default=True, help="2 is twice as fast; 0 does not wait at all.")
def kafka(seed: int, speed: float) -> None:
    """A leader dies and comes back, by three brokers of minikafka."""
    from cli.kafka_stage import perform as perform_failover  # the brokers take a moment to import

    for line in perform_failover(seed):
        click.echo(line)
        if speed > 0:
            time.sleep(PAUSE_S[1] / 4 / speed)

"""Software and scenarios to be simulated: written for real sockets, importable by other processes."""

import asyncio
from contextlib import suppress
from itertools import count

from simulation.world import Host, World


async def counter(host: Host) -> None:
    """A server that counts, on disk: "add" and a newline is answered by the new value, once it is durable."""
    file = host.disk.open("counter", "a")
    host.disk.fsync_dir(".")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while await reader.readline():
                file.append(b"+")
                value = file.size()
                await file.fsync()
                writer.write(b"%d\n" % value)
        writer.close()

    await (await asyncio.start_server(serve, None, 80)).serve_forever()


async def forgetful_counter(host: Host) -> None:
    """The same with a bug: it answers before the fsync."""
    file = host.disk.open("counter", "a")
    host.disk.fsync_dir(".")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while await reader.readline():
                file.append(b"+")
                writer.write(b"%d\n" % file.size())
                await file.fsync()
        writer.close()

    await (await asyncio.start_server(serve, None, 80)).serve_forever()


async def count_through_power_losses(world: World, software=counter) -> None:
    """No acknowledged addition may be lost."""
    world.start("server", software)
    acknowledged = 0

    async def client(dice) -> None:
        nonlocal acknowledged
        while True:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    reader, writer = await asyncio.open_connection("server", 80)
                    while True:
                        writer.write(b"add\n")
                        answer = await reader.readline()
                        if not answer:
                            break
                        acknowledged = max(acknowledged, int(answer))
            await asyncio.sleep(dice.random() * 0.1)

    for number in range(3):
        world.spawn("clients", client(world.random(f"client {number}")))
    nemesis = world.random("nemesis")
    for _ in range(10):
        await asyncio.sleep(nemesis.random())
        world.power_loss("server")
        survived = world.host("server").disk.size("counter")
        assert survived >= acknowledged, f"{acknowledged} additions were acknowledged, {survived} survived"
        await asyncio.sleep(nemesis.random())
        world.start("server")


async def count_forgetfully(world: World) -> None:
    await count_through_power_losses(world, forgetful_counter)


async def gossip(world: World) -> None:
    """Hosts that tell each other sets of words, under kills and cuts: much that could go another way next time."""
    world.expect(OSError)
    names = [f"node-{number}" for number in range(4)]

    async def node(host: Host) -> None:
        known = {host.name, *(f"word-{host.random.randrange(100)}" for _ in range(5))}

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while line := await reader.readline():
                    known.update(line.decode().split())
                    writer.write(b"%d\n" % len(known))
            writer.close()

        async def tell(peer: str) -> None:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    reader, writer = await asyncio.open_connection(peer, 7000)
                    writer.write(" ".join(sorted(known)).encode() + b"\n")
                    await reader.readline()
                    writer.close()

        async with await asyncio.start_server(listen, None, 7000):
            while True:
                await asyncio.wait([asyncio.create_task(tell(name)) for name in names if name != host.name])
                await asyncio.sleep(host.random.uniform(0.1, 0.5))

    for name in names:
        world.start(name, node)
    nemesis = world.random("nemesis")
    for _ in range(10):
        await asyncio.sleep(nemesis.random())
        world.restart(nemesis.choice(names))
        world.network.partition(nemesis.sample(names, 1), [nemesis.choice(names)])
        await asyncio.sleep(nemesis.random())
        world.network.heal()
        world.pause(name := nemesis.choice(names))
        await asyncio.sleep(nemesis.random())
        world.resume(name)


SERIAL_NUMBERS = count()


async def remembers_earlier_runs(world: World) -> None:
    """Not deterministic: what it does hangs on a global of its module."""
    world.note("begins")
    await asyncio.sleep(next(SERIAL_NUMBERS))
    world.note("ends")


async def fails_for_odd_seeds(world: World) -> None:
    world.note("something happened")
    await asyncio.sleep(5)
    assert world.seed % 2 == 0, "an odd seed"

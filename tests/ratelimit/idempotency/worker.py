"""One node of a shop in a process of its own: prints its port, and serves until its standard input ends.

    python -m tests.ratelimit.idempotency.worker REDIS_PORT {before|after} {takeover|refuse} LEASE_MS

Whichever node executes first kills itself, `before` or `after` its deed.
"""

import asyncio
import os
import signal
import sys

from cli.idempotency_stage import serve, text
from ratelimit.idempotency import IdempotencyMiddleware, Policy, RedisStore, header
from ratelimit.idempotency.asgi import SCOPE_KEY, say
from ratelimit.redis_link import RedisLink


async def main(redis_port, dies, takeover, lease_ms):
    link = RedisLink(f"redis://127.0.0.1:{redis_port}", timeout_ms=5000)

    async def shop(scope, receive, send):
        execution = scope[SCOPE_KEY]
        first = await link.call("INCR", "executions") == 1
        if first and dies == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await link.call("RPUSH", "deeds", f"{os.getpid()} {execution.attempt} {execution.fence}")
        if first and dies == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        await say(text(201, f"sold by {os.getpid()}"), send)

    policy = Policy(lease_ms=int(lease_ms), takeover=takeover == "takeover")
    app = IdempotencyMiddleware(shop, RedisStore(link), header("authorization"), policy)
    server = await serve(app, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
    await link.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

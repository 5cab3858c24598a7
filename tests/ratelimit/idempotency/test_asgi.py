"""Around an application: what it sees, what the client sees, and what is left behind when either goes away."""

import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI, Response
from starlette.applications import Starlette
from starlette.authentication import BaseUser, SimpleUser, UnauthenticatedUser
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from ratelimit.idempotency.asgi import SCOPE_KEY, IdempotencyMiddleware, request_of
from ratelimit.idempotency.field import header
from ratelimit.idempotency.memory_store import MemoryStore
from ratelimit.idempotency.policy import Policy
from serving.clock import SystemClock

KEY = {"idempotency-key": '"8e03978e"', "authorization": "Bearer anna"}


class Account(BaseUser):
    """A user class of an application's own."""

    def __init__(self, number):
        self.number = number

    @property
    def identity(self):
        return str(self.number)


def guarded(app, **options):
    store = MemoryStore(SystemClock().now_ms)
    return IdempotencyMiddleware(app, store, header("authorization"), Policy(**options))


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://shop")


class Shop:
    """An ASGI application that counts what it executed.  What it does is `deed(scope, receive, send)`."""

    def __init__(self, deed=None):
        self.executed, self.scopes = 0, []
        self.deed = deed or self.sell

    async def __call__(self, scope, receive, send):
        self.executed += 1
        self.scopes.append(scope)
        await self.deed(scope, receive, send)

    async def sell(self, scope, receive, send):
        message = await receive()
        answer = b"order %d: %b" % (self.executed, message["body"])
        await send({"type": "http.response.start", "status": 201, "headers": [(b"X-Order", b"%d" % self.executed)]})
        await send({"type": "http.response.body", "body": answer[:5], "more_body": True})
        await send({"type": "http.response.body", "body": answer[5:]})


async def test_a_retry_is_given_the_first_answer_whole():
    shop = Shop()
    async with client_of(guarded(shop)) as client:
        first = await client.post("/orders", content=b"book", headers=KEY)
        again = await client.post("/orders", content=b"book", headers=KEY)
    assert (first.status_code, first.text, dict(first.headers)) == (201, "order 1: book", {"x-order": "1"})
    assert (again.status_code, again.text) == (201, "order 1: book")
    assert dict(again.headers) == {"x-order": "1", "idempotent-replayed": "true"}
    assert shop.executed == 1


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, b"book", 400),
        (KEY | {"idempotency-key": '"'}, b"book", 400),
        (KEY, b"car", 422),
        (KEY, b"x" * 101, 413),
    ],
)
async def test_what_is_refused_is_a_problem_and_is_not_executed(headers, content, status):
    shop = Shop()
    async with client_of(guarded(shop, request_bytes=100)) as client:
        await client.post("/orders", content=b"book", headers=KEY)
        refused = await client.post("/orders", content=content, headers=headers)
    assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
    assert json.loads(refused.content)["status"] == status
    assert shop.executed == 1


async def test_a_duplicate_of_a_running_request_is_told_to_come_back():
    going, may_end = asyncio.Event(), asyncio.Event()

    async def deed(scope, receive, send):
        going.set()
        await may_end.wait()
        await shop.sell(scope, receive, send)

    shop = Shop(deed)
    async with client_of(guarded(shop)) as client:
        first = asyncio.create_task(client.post("/orders", headers=KEY))
        await going.wait()
        duplicate = await client.post("/orders", headers=KEY)
        may_end.set()
        assert (await first).status_code == 201
    assert (duplicate.status_code, duplicate.headers["retry-after"], shop.executed) == (409, "1", 1)


async def test_of_a_hundred_at_once_one_executes_and_all_that_are_answered_agree():
    shop = Shop()
    async with client_of(guarded(shop)) as client:
        answers = await asyncio.gather(*(client.post("/orders", content=b"book", headers=KEY) for _ in range(100)))
    assert {answer.text for answer in answers if answer.status_code != 409} == {"order 1: book"}
    assert shop.executed == 1


async def test_the_application_is_handed_its_fence_and_no_way_around_the_store():
    shop = Shop()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/orders",
        "query_string": b"",
        "headers": [(b"idempotency-key", b'"k"')],
        "extensions": {"http.response.pathsend": {}},
    }
    await guarded(shop)(scope, giving(b""), ignoring)
    seen = shop.scopes[0]
    assert (seen[SCOPE_KEY].key, seen[SCOPE_KEY].attempt, seen["extensions"]) == (b"k", 1, {})
    assert seen[SCOPE_KEY].fence > 1_600_000_000_000
    assert SCOPE_KEY not in scope


def giving(*pieces):
    """A `receive` of a body in pieces."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def ignoring(_):
    pass


SCOPE = {"type": "http", "method": "POST", "path": "/", "headers": [(b"idempotency-key", b'"k"')]}


async def test_the_body_reaches_the_application_in_one_piece():
    bodies = []

    async def deed(scope, receive, send):
        bodies.append(await receive())
        await shop.sell(scope, giving(b""), send)

    shop = Shop(deed)
    await guarded(shop)(dict(SCOPE), giving(b"a", b"", b"bc"), ignoring)
    assert bodies == [{"type": "http.request", "body": b"abc", "more_body": False}]


async def test_a_client_that_hangs_up_in_its_request_has_asked_nothing():
    shop = Shop()

    async def receive():
        return pieces.pop(0)

    pieces = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"}]
    app = guarded(shop)
    await app(dict(SCOPE), receive, ignoring)
    assert (shop.executed, len(app.handler.store)) == (0, 0)


async def test_a_client_that_hangs_up_later_stops_nothing():
    """The application is not told; whoever asks again finds the answer."""
    waited = []

    async def deed(scope, receive, send):
        await receive()
        listening = asyncio.create_task(receive())
        await asyncio.sleep(0)
        waited.append(listening.done())
        await shop.sell(scope, giving(b""), send)
        waited.append(await listening)

    async def gone(_):
        raise OSError("the client is gone")

    shop = Shop(deed)
    app = guarded(shop)
    with pytest.raises(OSError, match="gone"):
        await app(dict(SCOPE), giving(b""), gone)
    assert waited == [False]
    sent = []

    async def send(message):
        sent.append(message)

    await app(dict(SCOPE), giving(b""), send)
    assert (sent[0]["status"], sent[1]["body"], shop.executed) == (201, b"order 1: ", 1)


async def test_after_its_answer_the_application_hears_that_the_client_is_gone():
    heard = []

    async def deed(scope, receive, send):
        await shop.sell(scope, receive, send)
        heard.append(await receive())

    shop = Shop(deed)
    await guarded(shop)(dict(SCOPE), giving(b""), ignoring)
    assert heard == [{"type": "http.disconnect"}]


async def test_what_the_application_says_after_the_end_is_not_said():
    async def deed(scope, receive, send):
        await shop.sell(scope, receive, send)
        await send({"type": "http.response.body", "body": b"and another thing"})

    sent = []

    async def send(message):
        sent.append(message["type"])

    shop = Shop(deed)
    app = guarded(shop)
    await app(dict(SCOPE), giving(b""), send)
    assert (sent, app.handler.counts["executed"]) == (["http.response.start", "http.response.body"], 1)


async def test_an_application_that_raises_frees_the_key():
    async def deed(scope, receive, send):
        if shop.executed == 1:
            raise RuntimeError("no paper")
        await shop.sell(scope, receive, send)

    shop = Shop(deed)
    app = guarded(shop)
    with pytest.raises(RuntimeError):
        await app(dict(SCOPE), giving(b""), ignoring)
    await app(dict(SCOPE), giving(b""), ignoring)
    assert [scope[SCOPE_KEY].attempt for scope in shop.scopes] == [1, 2]


async def test_an_application_that_raises_has_answered_where_5xx_are_kept():
    async def deed(scope, receive, send):
        raise RuntimeError("no paper")

    shop = Shop(deed)
    async with client_of(guarded(shop, release="")) as client:
        await client.post("/orders", headers=KEY)
        again = await client.post("/orders", headers=KEY)
    assert (again.status_code, again.json()["title"], shop.executed) == (500, "The application failed", 1)


async def test_an_application_that_leaves_without_an_answer_frees_the_key():
    async def deed(scope, receive, send):
        await send({"type": "http.response.start", "status": 201, "headers": []})

    shop = Shop(deed)
    app = guarded(shop)
    await app(dict(SCOPE), giving(b""), ignoring)
    await app(dict(SCOPE), giving(b""), ignoring)
    assert shop.executed == 2


async def test_an_application_that_is_cancelled_was_stopped_half_way():
    async def deed(scope, receive, send):
        await asyncio.Event().wait()

    shop = Shop(deed)
    app = guarded(shop)
    running = asyncio.create_task(app(dict(SCOPE), giving(b""), ignoring))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with client_of(app) as client:
        assert (await client.post("/", headers={"idempotency-key": "k"})).status_code == 409
    assert len(asyncio.all_tasks()) == 1


async def test_what_fails_after_the_answer_does_not_undo_it():
    def fail():
        raise RuntimeError("the mail server is down")

    async def sell(request):
        return PlainTextResponse("sold", background=BackgroundTask(fail))

    async with client_of(guarded(Starlette(routes=[Route("/orders", sell, methods=["POST"])]))) as client:
        assert (await client.post("/orders", headers=KEY)).text == "sold"
        assert (await client.post("/orders", headers=KEY)).headers["idempotent-replayed"] == "true"


def streaming(pieces, media_type):
    executed = []

    async def stream():
        executed.append(1)
        for piece in pieces:
            yield piece

    async def sell(request):
        return StreamingResponse(stream(), status_code=201, media_type=media_type)

    return Starlette(routes=[Route("/orders", sell, methods=["POST"])]), executed


async def test_a_stream_that_ends_soon_is_kept():
    app, executed = streaming(["one,", "two"], "text/plain")
    async with client_of(guarded(app)) as client:
        answers = [await client.post("/orders", headers=KEY) for _ in range(2)]
    assert ([answer.text for answer in answers], executed) == (["one,two", "one,two"], [1])


@pytest.mark.parametrize(
    ("pieces", "media_type"), [(["x" * 60] * 9, "text/plain"), (["data: 1\n\n"], "text/event-stream")]
)
async def test_a_stream_that_is_long_or_endless_passes_and_is_known_to_have_been_executed(pieces, media_type):
    app, executed = streaming(pieces, media_type)
    async with client_of(guarded(app, answer_bytes=100)) as client:
        first = await client.post("/orders", headers=KEY)
        again = await client.post("/orders", headers=KEY)
    assert (first.status_code, first.text) == (201, "".join(pieces))
    assert (again.status_code, again.json()["title"]) == (409, "The answer for this Idempotency-Key was not kept")
    assert executed == [1]


async def test_a_long_stream_is_marked_before_its_first_byte_leaves():
    states = []

    async def send(message):
        outcome = await app.handler.begin(app_request)
        states.append(outcome.status)

    async def deed(scope, receive, out):
        await out({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await out({"type": "http.response.body", "body": bytes(60), "more_body": True})
        await out({"type": "http.response.body", "body": b""})

    app = guarded(Shop(deed), answer_bytes=100)
    app_request = request_of(SCOPE)
    await app(dict(SCOPE), giving(b""), send)
    assert states == [409] * 4  # the start, two pieces at once, the third, the end
    assert app.handler.counts["The answer for this Idempotency-Key was not kept"] == 4


async def test_one_that_was_succeeded_tells_its_client_the_successors_answer():
    async def deed(scope, receive, send):
        if shop.executed == 1:
            execution = scope[SCOPE_KEY]
            await app.handler.store.forget(execution.name)  # its lease ran out,
            await again(dict(SCOPE), giving(b"book"), ignoring)  # and another was faster
            shop.executed = 99
        await shop.sell(scope, receive, send)

    sent = []

    async def send(message):
        sent.append(message)

    shop = Shop(deed)
    app = again = guarded(shop)
    await app(dict(SCOPE), giving(b"book"), send)
    assert [(message.get("status"), message.get("body")) for message in sent] == [(201, None), (None, b"order 2: book")]
    assert (b"idempotent-replayed", b"true") in sent[0]["headers"]


async def test_one_that_was_succeeded_in_the_middle_of_a_long_answer_says_nothing_of_it():
    async def deed(scope, receive, send):
        if shop.executed == 1:
            await app.handler.store.forget(scope[SCOPE_KEY].name)
            await app(dict(SCOPE), giving(b"book"), ignoring)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(3):
                await send({"type": "http.response.body", "body": bytes(60), "more_body": True})
        await shop.sell(scope, receive, send)

    sent = []

    async def send(message):
        sent.append(message)

    shop = Shop(deed)
    app = guarded(shop, answer_bytes=100)
    await app(dict(SCOPE), giving(b"book"), send)
    assert [(message.get("status"), message.get("body")) for message in sent] == [(201, None), (None, b"order 2: book")]


async def test_other_protocols_and_methods_pass_by():
    for scope in ({"type": "lifespan"}, {"type": "websocket", "path": "/"}, {**SCOPE, "method": "GET", "headers": []}):
        seen = []

        async def app(inner_scope, receive, send, seen=seen):
            seen.append((inner_scope, receive, send))

        receive = giving(b"")
        await guarded(app)(scope, receive, ignoring)
        assert seen == [(scope, receive, ignoring)]


async def test_a_request_that_needs_no_key_passes_by_untouched():
    shop = Shop()
    app = guarded(shop, required=("/orders",))
    async with client_of(app) as client:
        answers = [await client.post("/search", content=b"x") for _ in range(2)]
    assert ([answer.text for answer in answers], len(app.handler.store)) == (["order 1: x", "order 2: x"], 0)


@pytest.mark.parametrize(
    ("someone", "name"), [(None, ""), (SimpleUser("anna"), "anna"), (UnauthenticatedUser(), ""), (Account(7), "7")]
)
def test_a_user_whom_starlette_knows_is_known(someone, name):
    assert request_of({**SCOPE, "user": someone}).user == name


async def test_fastapi_stands_behind_it():
    app = FastAPI()
    orders = []

    @app.post("/orders", status_code=201)
    async def sell(order: dict, response: Response) -> dict:
        orders.append(order)
        response.headers["location"] = f"/orders/{len(orders)}"
        return {"id": len(orders)}

    async with client_of(guarded(app, replay_status=200)) as client:
        first, again = [await client.post("/orders", json={"book": 1}, headers=KEY) for _ in range(2)]
        invalid = [await client.post("/orders", json=[], headers=KEY | {"idempotency-key": "2"}) for _ in range(2)]
    assert [(answer.status_code, answer.json(), answer.headers["location"]) for answer in (first, again)] == [
        (201, {"id": 1}, "/orders/1"),
        (200, {"id": 1}, "/orders/1"),
    ]
    assert [answer.status_code for answer in invalid] == [422, 422]
    assert [answer.headers.get("idempotent-replayed") for answer in invalid] == [None, "true"]
    assert orders == [{"book": 1}]

"""The README's nginx.conf, in nginx: whom the service denies hears 429 and when to come again."""

import re
import shutil
import socket
from pathlib import Path

import aiohttp
import pytest

from lab.child import Child, free_port
from tests.ratelimit.test_server import live_service

README = Path(__file__).parents[2] / "ratelimit/README.md"
NGINX = shutil.which("nginx")
RULES = """
[client]
trusted_proxies = ["127.0.0.1"]
[[rules]]
name = "each"
who = "ip"
limit = "2 per minute"
"""
AROUND = """
daemon off; pid {at}/pid; error_log stderr; events {{}}
http {{
    access_log off;
    client_body_temp_path {at}/1; proxy_temp_path {at}/2; fastcgi_temp_path {at}/3;
    uwsgi_temp_path {at}/4; scgi_temp_path {at}/5;
    server {{ listen 127.0.0.1:{port}; {snippet} }}
}}
"""


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
async def test_the_snippet_of_the_tour_turns_a_denial_into_429(tmp_path):
    [snippet] = re.findall(r"```nginx\n(.*?)```", README.read_text(), re.DOTALL)
    port = free_port()
    async with live_service(RULES) as live:
        for asked in (":8429", ":8000"):  # the application is the service as well
            snippet = snippet.replace(asked, f":{live.server.addresses()[0][1]}")
        (tmp_path / "nginx.conf").write_text(AROUND.format(at=tmp_path, port=port, snippet=snippet))
        arguments = [NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        nginx = Child("nginx", arguments, tmp_path / "nginx.out")
        nginx.start()
        try:
            await nginx.until_ready(lambda: listens(port))
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
                pages = [await client.get("/busiest") for _ in range(3)]
                assert [page.status for page in pages] == [200, 200, 429]
                assert pages[2].headers["Retry-After"] == "30"
                assert pages[2].headers["RateLimit"] == '"each";r=0;t=30'
                assert (await client.post("/busiest", data="x")).status == 429
        finally:
            await nginx.stopped()

"""The limiter's service as the command line asks it: JSON over HTTP, without a client library."""

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import click

DEFAULT_URL = "http://127.0.0.1:8429"

url_option = click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the service is.")


def asked(url: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    """Status and JSON of an answer; a POST when there is a body.  Raises click.ClickException when nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    try:
        request = Request(url.rstrip("/") + path, data, {"Content-Type": "application/json"})
        opener = build_opener(ProxyHandler({}))  # a service beside us is not asked through anybody's proxy
        try:
            with opener.open(request, timeout=5) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refusal:
            return refusal.code, json.load(refusal)
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise click.ClickException(f"no limiter answers at {url}: {reason}") from None

"""Nothing hidden: the functions that `compile.py` writes for a message, as text.

>>> print(show("Heartbeat", 4))
"""

from minikafka.wire.apis import APIS, BY_NAME
from minikafka.wire.decode_source import DecodeSource
from minikafka.wire.encode_source import EncodePartsSource, EncodeSource
from minikafka.wire.source import Source
from minikafka.wire.types import Struct, WireError


def show(name_or_key: str | int, version: int) -> str:
    """The code that reads and writes an API's messages: request first, then response.

    `name_or_key` is "Produce" or 0 (or "0"); "ProduceRequest" or "ProduceResponse" show the one message alone.
    Raises WireError for what is not declared.
    """
    text = str(name_or_key)
    if text.isdecimal() and int(text) in APIS:
        text = APIS[int(text)].name
    messages: list[type[Struct]] = [
        cls
        for api in APIS.values()
        for cls in (api.request, api.response)
        if text.lower() in (api.name.lower(), cls.__name__.lower())
    ]
    if not messages:
        raise WireError(f"no API is called {name_or_key!r}; there are {', '.join(BY_NAME)}")
    return "\n\n".join(_both_directions(cls, version) for cls in messages)


def _both_directions(cls: type[Struct], version: int) -> str:
    if version not in cls.__versions__:
        raise WireError(f"{cls.__name__} has no version {version}, only {cls.__versions__}")
    large = any("memoryview" in line for line in DecodeSource(cls, version).lines)
    sources: list[type[Source]] = [DecodeSource, EncodePartsSource if large else EncodeSource]
    return "\n\n".join(
        [f"# {cls.__name__}, version {version}", *(source(cls, version).text().strip("\n") for source in sources)],
    )

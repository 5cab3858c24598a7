"""Frames: what stands before the body of a request and of a response.

    request    +--------+-----------+---------------+------------------+---------------------+----------+------
               | size   | api key   | api version   | correlation id   | client id           | tags     | body
               | int32  | int16     | int16         | int32            | int16 + bytes       |          |
               +--------+-----------+---------------+------------------+---------------------+----------+------
    response   +--------+------------------+----------+------
               | size   | correlation id   | tags     | body
               | int32  | int32            |          |
               +--------+------------------+----------+------

`size` counts what follows it.  The tags are there when the body is in the compact layout (`Api.first_flexible`); the
client id keeps its old form even then, and the answer to ApiVersions never has tags.  The correlation id is the
client's: the answer brings it back.

Source: "Kafka protocol guide", Protocol Primitives; KIP-482; KIP-511 for ApiVersions.  Next: apis.py.
"""

import struct
from typing import NamedTuple

from minikafka.wire.apis import APIS, BY_NAME, Api
from minikafka.wire.compile import Part, decoder, encoder, part_encoder
from minikafka.wire.decode_source import skip_tags
from minikafka.wire.types import Struct, StructType, WireError

_REQUEST = struct.Struct(">hhih")
_REQUEST_FRAME = struct.Struct(">ihhih")
_RESPONSE = struct.Struct(">ii")
_RESPONSE_TAGGED = struct.Struct(">iix")

_FIRST_FLEXIBLE = {key: api.first_flexible for key, api in APIS.items()}


class RequestHeader(NamedTuple):
    """Who asks what, and where the body begins."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    position: int


def request_header(frame: bytes | bytearray, position: int = 4) -> RequestHeader:
    """The header that begins at `position`, by default after the size.

    Raises WireError for a header cut short, or of an API we have no declaration for: then nobody can say how long its
    header is, and Kafka closes the connection.
    """
    try:
        api_key, api_version, correlation_id, length = _REQUEST.unpack_from(frame, position)
        first_flexible = _FIRST_FLEXIBLE[api_key]
    except struct.error as error:
        raise WireError("a request header cut short") from error
    except KeyError:
        raise WireError(f"a request of the unknown api key {api_key}") from None
    position += 10
    client_id = None
    if length >= 0:
        end = position + length
        client_id = frame[position:end].decode("utf-8", "replace")
        position = end
    try:
        if api_version >= first_flexible:
            position = position + 1 if frame[position] == 0 else skip_tags(frame, position)
    except IndexError as error:
        raise WireError("a request header cut short") from error
    if position > len(frame):
        raise WireError("a request header cut short")
    return RequestHeader(api_key, api_version, correlation_id, client_id, position)


def response_frame(value: Struct, version: int, correlation_id: int, tagged: bool) -> bytes:
    """A whole response, its size first.  `tagged`: `Api.response_header_version(version)`."""
    body = encoder(type(value), version)(value)
    if tagged:
        return _RESPONSE_TAGGED.pack(len(body) + 5, correlation_id) + body
    return _RESPONSE.pack(len(body) + 4, correlation_id) + body


def response_parts(value: Struct, version: int, correlation_id: int, tagged: bool) -> list[Part]:
    """As `response_frame`, in parts for `writelines`: large Records stay the buffers they are."""
    parts = part_encoder(type(value), version)(value)
    size = sum(map(len, parts))
    if tagged:
        parts[0] = _RESPONSE_TAGGED.pack(size + 5, correlation_id) + parts[0]
    else:
        parts[0] = _RESPONSE.pack(size + 4, correlation_id) + parts[0]
    return parts


def request_frame(value: Struct, version: int, correlation_id: int, client_id: str | None = None) -> bytes:
    """A whole request, as a client sends it: the size, the header, the body."""
    body = encoder(type(value), version)(value)
    name = b"" if client_id is None else client_id.encode()
    length = -1 if client_id is None else len(name)
    tags = b"\0" if version >= _FIRST_FLEXIBLE[value.__api_key__] else b""
    size = 10 + len(name) + len(tags) + len(body)
    return _REQUEST_FRAME.pack(size, value.__api_key__, version, correlation_id, length) + name + tags + body


def response_header(frame: bytes | bytearray, api: Api, version: int, position: int = 4) -> tuple[int, int]:
    """The correlation id of a response, and where its body begins.  Raises WireError when it is cut short."""
    try:
        (correlation_id,) = struct.unpack_from(">i", frame, position)
        position += 4
        if api.response_header_version(version):
            position = skip_tags(frame, position)
    except (struct.error, IndexError) as error:
        raise WireError("a response header cut short") from error
    return correlation_id, position


def read_response(frame: bytes | bytearray, cls: type[StructType], version: int) -> tuple[int, StructType]:
    """The correlation id and the body of a whole response, as a client reads it.  Raises WireError."""
    api = BY_NAME[cls.__name__.removesuffix("Response")]
    correlation_id, position = response_header(frame, api, version)
    value, _ = decoder(cls, version)(frame, position)
    return correlation_id, value

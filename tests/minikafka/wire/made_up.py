"""Messages of any declared kind, filled at random: only what their version carries, so that they survive the journey."""

from typing import Any

from hypothesis import strategies as st

from minikafka.wire.types import Field, Struct, Wire

INTS = {"b": 8, "h": 16, "i": 32, "q": 64}
ERRORS = st.integers(-1, 100)
WORDS = st.one_of(st.text(max_size=5), st.sampled_from(["orders", "a" * 126, "b" * 127, "ü" * 64, "c" * 300]))
BYTES = st.one_of(st.binary(max_size=5), st.sampled_from([bytes(126), bytes(127), bytes(5000)]))


def structs(cls: type[Struct], version: int) -> st.SearchStrategy[Any]:
    """`cls` with random values in the fields of `version`, defaults in the others."""
    return st.builds(
        cls, **{field.name: _values(field, version) for field in cls.__fields__ if version in field.versions}
    )


def _values(field: Field, version: int) -> st.SearchStrategy[Any]:
    one = _scalars(field.name, field.item) if isinstance(field.item, Wire) else structs(field.item, version)
    value = st.lists(one, max_size=3) if field.is_array else one
    if version in field.nullable or (field.tag is not None and field.default is None):
        return st.none() | value
    return value


def _scalars(name: str, wire: Wire) -> st.SearchStrategy[Any]:
    if name.endswith("error_code"):
        return ERRORS
    if name.endswith(("_ms", "timestamp")):
        return st.integers(0, 2**31 - 1)  # the oracle turns them into dates
    if wire.code in INTS:
        bits = INTS[wire.code]
        return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return {
        "uint16": st.integers(0, 2**16 - 1),
        "uint32": st.integers(0, 2**32 - 1),
        "float64": st.floats(allow_nan=False),
        "boolean": st.booleans(),
        "uuid": st.binary(min_size=16, max_size=16),
        "string": WORDS,
        "bytes": BYTES,
        "records": BYTES,
    }[wire.name]


def full(cls: type[Struct], version: int) -> Any:
    """`cls` with something in every field of `version`: two items in each array, every tag present."""
    return cls(**{field.name: _something(field, version) for field in cls.__fields__ if version in field.versions})


def _something(field: Field, version: int) -> Any:
    one = SAMPLES[field.item.name] if isinstance(field.item, Wire) else full(field.item, version)
    return [one, one] if field.is_array else one


SAMPLES: dict[str, Any] = {
    "int8": 1,
    "int16": 2,
    "int32": 3,
    "int64": 4,
    "uint16": 5,
    "uint32": 6,
    "float64": 7.5,
    "boolean": True,
    "uuid": bytes(range(16)),
    "string": "word",
    "bytes": b"some bytes",
    "records": b"some records",
}

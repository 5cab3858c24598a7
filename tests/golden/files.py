"""Golden files: stories as they were played, to be read by people and by tests.

    == two_members_share                  a story, and what it tells

    -- a JoinGroup 9                      connection, API and version
    > group_id 'two-members-share', ...   the request, decoded; handed-out values by name
    >| 0000006b000b0009...                the same as bytes, the frame's size included
    < error_code 79, ...                  the answer
    <| 0000003a00000001...
    -- a (an unknown key) ApiVersions 0   bytes made by hand are not decoded; an answer would be
    >| 0000000a7fff0000...
    <. the connection is closed

Only the lines with bars and dots are read back: the others are made from them, and a test sees to it that they agree.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from minikafka.wire.apis import BY_NAME
from minikafka.wire.compile import decode
from minikafka.wire.frame import request_header, response_header
from minikafka.wire.types import Struct
from tests.golden.canonical import Canonical, Names, render
from tests.golden.play import Scene, Step, answer_version

FOLDER = Path(__file__).parent / "kafka"
BYTES_A_LINE = 56


def question(step: Step) -> tuple[Struct, int] | None:
    """The request of a step and its version; None for bytes made by hand."""
    if step.what.startswith("("):
        return None
    name, version = step.what.split()
    header = request_header(step.request)
    return decode(BY_NAME[name].request, int(version), step.request, header.position)[0], int(version)


def reply(step: Step) -> tuple[Struct, int] | None:
    """The response of a step and the version it is laid out in."""
    if step.answer is None:
        return None
    name, version = step.what.split()[-2:]
    api = BY_NAME[name]
    _, position = response_header(step.answer, api, int(version))
    laid_out = answer_version(api, int(version), step.answer)
    return decode(api.response, laid_out, step.answer, position)[0], laid_out


def exchange(step: Step, canonical: Canonical) -> tuple[dict[str, object] | None, dict[str, object] | str]:
    """A step as two runs agree on it: the request, and the answer or why there is none."""
    asked, answered = question(step), reply(step)
    left = canonical(*asked) if asked else None
    return left, canonical(*answered) if answered else step.outcome


def write(path: Path, title: str, scenes: list[Scene]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines(title, scenes)) + "\n")


def lines(title: str, scenes: list[Scene]) -> Iterator[str]:
    """The whole text of a golden file."""
    yield f"# {title}"
    for scene in scenes:
        yield f"\n== {scene.name}"
        yield f"{scene.text}\n"
        names = Names()
        for step in scene.steps:
            yield from _step_lines(step, names)


def _step_lines(step: Step, names: Names) -> Iterator[str]:
    asked, answered = exchange(step, names.canonical)
    yield f"-- {step.who} {step.what}"
    if asked is not None:
        yield from (f"> {line}" for line in render(asked))
    yield from (f">| {line}" for line in _hex(step.request))
    if isinstance(answered, str):
        yield f"<. {answered}"
    elif step.answer is not None:
        yield from (f"< {line}" for line in render(answered))
        yield from (f"<| {line}" for line in _hex(step.answer))


def _hex(data: bytes) -> list[str]:
    """Lines of hex; a long run of zeros is told by its length."""
    pieces = []
    for run in re.split(rb"(\0{500,})", data):
        if len(run) >= 500 and not any(run):
            pieces.append(f"00 * {len(run)}")
        else:
            pieces += [run[at : at + BYTES_A_LINE].hex() for at in range(0, len(run), BYTES_A_LINE)]
    return pieces


def _bytes(text: str) -> bytes:
    zeros, star, count = text.partition(" * ")
    return bytes(int(count)) if star else bytes.fromhex(zeros)


def read(path: Path) -> list[Scene]:
    """The stories of a golden file."""
    scenes: list[Scene] = []
    step = Step("", "", b"")
    for line in path.read_text().split("\n"):
        mark, _, rest = line.partition(" ")
        if mark == "==":
            scenes.append(Scene(rest, ""))
        elif mark == "--":
            who, _, what = rest.partition(" ")
            step = Step(who, what, b"")
            scenes[-1].steps.append(step)
        elif mark == ">|":
            step.request += _bytes(rest)
        elif mark == "<|":
            step.answer = (step.answer or b"") + _bytes(rest)
        elif mark == "<.":
            step.outcome = rest
        elif scenes and not scenes[-1].text and line:
            scenes[-1].text = line
    return scenes

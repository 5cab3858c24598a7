"""The READMEs cannot rot: links resolve, names are where they are said to be, snippets run and print what they show.

A snippet is run when the line above it is one of these comments, which no reader of the rendered page sees:

    <!-- run -->         a python block: executed by itself, in a folder of its own
    <!-- prints -->      what the python block before it must print, exactly
    <!-- run: up -->     a console block: every `$ ` line goes to a shell beside a running `mini up`; what follows it, up
                         to the next `$ `, is what must be printed.  `redis-cli` is led to that server's port and told
                         to print as on a terminal; `.venv/bin/mini` is this tree's.

Blocks without a mark are for the eye: pictures, sessions of ten minutes, code of an exercise.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted(path for path in ROOT.glob("*/README.md") if path.parent.name != "data"),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]

FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^>]+) -->\n)?(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^ *```$", re.M | re.S
)
LINK = re.compile(r"\[(?P<text>(?:\\.|[^]\\])+)\]\((?P<target>[^)\s]+)\)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    """The page without its code blocks."""
    return FENCE.sub("", path.read_text())


@cache
def anchors(path: Path) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.*)$", prose(path), re.M):
        words = re.sub(r"[^\w\- ]", "", LINK.sub(r"\g<text>", heading).replace("`", "").lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{words}-{number}" if number else words) in found:
            number += 1
        found.add(anchor)
    return found


def broken(page: Path, text: str, target: str) -> str | None:
    """Why a link leads nowhere, or None."""
    path, _, fragment = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return f"{target}: no such file"
    if not file.is_relative_to(ROOT):
        return f"{target}: outside of this repository"
    if fragment and fragment not in anchors(file):
        return f"{target}: no such heading"
    named = re.fullmatch(r"`(?:[A-Z]\w*\.)?(\w+)`", text)
    if named and file.suffix == ".py":
        defined = rf"^\s*(?:async def|def|class) {named[1]}\b|^{named[1]}\b.*="
        if not re.search(defined, file.read_text(), re.M):
            return f"{target}: defines no {named[1]}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_a_heading_or_the_function_it_names(page):
    links = [(link["text"], link["target"]) for link in LINK.finditer(prose(page))]
    wrong = [broken(page, text, target) for text, target in links if "://" not in target]
    assert [why for why in wrong if why] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_it_names_is_there(page):
    text = page.read_text()
    missing = [path for path in re.findall(r"\btests/[\w/]+\.py\b", text) if not (ROOT / path).exists()]
    tests = {name for path in (ROOT / "tests").rglob("test_*.py") for name in TEST_NAME.findall(path.read_text())}
    missing += [name for name in re.findall(r"`(test_\w+)`", text) if name not in tests]
    assert missing == []


TEST_NAME = re.compile(r"^(?:async )?def (test_\w+)", re.M)


@pytest.mark.parametrize("package", ["durable", "minikafka", "miniredis", "raft", "ratelimit", "serving", "simulation"])
def test_every_chapter_stands_in_the_reading_order(package):
    folder = ROOT / package
    linked = {link["target"] for link in LINK.finditer(prose(folder / "README.md"))}
    empty = {path for path in folder.rglob("*.py") if path.name == "__init__.py" and path.parent.name != "values"}
    chapters = {path.relative_to(folder).as_posix() for path in set(folder.rglob("*.py")) - empty}
    assert chapters - linked == set()


# -- snippets -----------------------------------------------------------------------------------------------------


def blocks(language: str, mark: str) -> list[object]:
    found = []
    for page in PAGES:
        fences = list(FENCE.finditer(page.read_text()))
        for fence, following in zip(fences, [*fences[1:], None], strict=False):
            if fence["mark"] == mark:
                assert fence["language"] == language, f"{name_of(page)}: `{mark}` marks a {fence['language']} block"
                printed = following["body"] if following is not None and following["mark"] == "prints" else ""
                line = page.read_text()[: fence.start()].count("\n") + 1
                found.append(pytest.param(fence["body"], printed, id=f"{name_of(page)}:{line}"))
    return found


def test_every_mark_is_known():
    marks = {fence["mark"] for page in PAGES for fence in FENCE.finditer(page.read_text())}
    assert marks == {None, "run", "prints", "run: up"}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(("code", "printed"), blocks("python", "run"))
def test_a_program_prints_what_is_shown(code, printed, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == (printed, "", 0)


@pytest.fixture
def stack(tmp_path) -> Iterator[int]:
    """`mini up` in a folder of its own; the port of its Redis."""
    command = [sys.executable, "-m", "cli.main", "up", "--port", "redis=0"]
    up = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = ""
    for line in up.stdout:  # it gives up by itself when a server does not start
        said += line
        if line.startswith("From a second terminal"):
            break
    port = re.search(r"^redis +running .*:(\d+) ", said, re.M)
    try:
        assert port, said
        yield int(port[1])
    finally:
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=30)


@pytest.mark.parametrize(("session", "printed"), blocks("console", "run: up"))
def test_a_session_goes_as_shown(session, printed, stack, tmp_path):
    commands = (tmp_path / "bin").resolve()
    commands.mkdir()
    programs = {
        "mini": f'exec "{sys.executable}" -m cli.main "$@"',
        "redis-cli": f'PATH="{os.environ["PATH"]}" exec redis-cli -p {stack} --no-raw "$@"',
    }
    for name, line in programs.items():
        (commands / name).write_text(f"#!/bin/sh\n{line}\n")
        (commands / name).chmod(0o755)
    surroundings = {**environment(), "PATH": f"{commands}:{os.environ['PATH']}"}
    seen = []
    for line in re.findall(r"^\$ (.*)$", session, re.M):
        ended = subprocess.run(
            line.replace(".venv/bin/mini", "mini").replace("-p 6379 ", ""),
            shell=True, cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        seen += [f"$ {line}", *(ended.stdout + ended.stderr).splitlines()]
    assert "\n".join(line.rstrip() for line in seen) == session.rstrip("\n")

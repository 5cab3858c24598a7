"""The tour cannot rot: its links resolve, its server serves."""

import asyncio
import os
import re
import signal
from pathlib import Path

import serving
from serving.config import Given
from serving.program import serve
from tests.serving.peers import until, within

FOLDER = Path(serving.__file__).parent
README = (FOLDER / "README.md").read_text()


def test_every_file_has_its_line_and_every_link_its_file():
    linked = {target for _, target in re.findall(r"\[([^]]+)\]\(([^)]+)\)", README)}
    assert linked == {path.name for path in FOLDER.glob("*.py")} - {"__init__.py"}


def test_the_tests_it_names_are_there():
    root = FOLDER.parent
    named = re.findall(r"tests/serving/\w+\.py", README)
    assert named and all((root / name).exists() for name in named)


async def test_its_server_serves_until_it_is_told_to_stop():
    names = {"__name__": "readme"}
    exec(re.search(r"```python\n(.*?)```", README, re.DOTALL)[1], names)
    program, built = names["ECHO"], []
    settings = program.table.load([Given("port", ["0"], "test")])
    object.__setattr__(program, "build", lambda process: built.append(names["EchoServer"](process)) or built[0])
    running = asyncio.create_task(serve(program, settings))
    await until(lambda: running.done() or (built and built[0].addresses()))
    reader, writer = await asyncio.open_connection(*built[0].addresses()[0])
    writer.write(b"again")
    assert await within(reader.readexactly(5)) == b"again"
    os.kill(os.getpid(), signal.SIGTERM)
    assert await within(running) == 0
    assert await within(reader.read()) == b""

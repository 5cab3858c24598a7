"""The house rules that can be checked: who may import whom, and that server code can be simulated.

    cli → lab, scenarios, simulation, servers        servers → serving, durable        wire → nothing of ours

An arrow that points left is how a codec learns of sockets; `open()` in the middle of a server is how a simulation comes
to touch the real disk.  Both are found here before they cost a day.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "cli",
    "durable",
    "lab",
    "minikafka",
    "miniredis",
    "raft",
    "ratelimit",
    "scenarios",
    "serving",
    "simulation",
)

MAY_IMPORT = {
    "durable": set(),
    "serving": set(),
    "simulation": {"durable", "serving"},
    "scenarios": set(),
    "miniredis": {"durable", "serving"},
    "raft": {"durable", "serving"},
    "minikafka": {"durable", "raft", "serving"},
    "ratelimit": {"serving"},
    "lab": {"scenarios", "serving"},
    "cli": {"durable", "lab", "minikafka", "miniredis", "raft", "ratelimit", "scenarios", "serving", "simulation"},
}
"""Packages of ours that each may use beside itself."""

SERVING_SEEN_BY = {"server.py", "main.py", "options.py", "machine.py", "metrics.py", "node.py", "peer_link.py"}
"""Files of a server that may use all of `serving`; the others only its clock and its settings, which are handed down."""
HANDED_DOWN = {"serving.clock", "serving.config", "serving.background", "serving.kinds"}

MEETS_THE_MACHINE = {
    "durable/real_disk.py",  # the Disk of production
    "miniredis/machine.py",  # INFO about the process, CONFIG REWRITE
    "miniredis/main.py",  # chooses the real clock, dice, disk
    "miniredis/persistence/fork_snapshotter.py",  # fork
    "ratelimit/limiter.py",  # a library's way to wait, when nothing else is handed in
    "ratelimit/memory_store.py",  # locks: its callers may be threads
    "ratelimit/reload.py",  # the file of rules
    "serving/clock.py",  # the Clock of production
    "serving/listener.py",  # certificates, permissions of a Unix socket
    "serving/logs.py",  # the log file
    "serving/program.py",  # the configuration file, the environment, signals
    "serving/rescue.py",  # sockets, while the loop stands still
    "serving/admin.py",
}
"""The rooms where files, clocks, threads and processes may be touched: simulation leaves them out or replaces them."""

FORBIDDEN_CALLS = {
    "open", "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep",
    "os.open", "os.write", "os.read", "os.fork", "os.fsync", "os.urandom", "os.rename", "os.unlink", "os.remove",
    "random.random", "random.randint", "random.choice", "random.shuffle", "random.seed", "random.getrandbits",
    "datetime.now", "datetime.utcnow", "uuid.uuid4", "secrets.token_bytes", "threading.Thread",
    "subprocess.run", "subprocess.Popen", "socket.socket", "Path.open", "tempfile.mkstemp",
}  # fmt: skip


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, only for type checkers) of every import in a file."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, id(node) in for_types
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in for_types


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_only_point_right(package):
    allowed = MAY_IMPORT[package] | {package}
    wrong = [
        f"{name_of(path)} imports {module}"
        for path in sources(package)
        for module, _ in imports(path)
        if module.partition(".")[0] in PACKAGES and module.partition(".")[0] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("path", sorted((ROOT / "miniredis" / "wire").glob("*.py")), ids=name_of)
def test_a_codec_knows_no_socket_no_loop_and_no_engine(path):
    modules = {module for module, _ in imports(path)}
    assert not modules & {"asyncio", "socket", "selectors", "threading", "time", "random"}
    ours = {module for module in modules if module.partition(".")[0] in PACKAGES}
    assert ours <= {"miniredis.errors", "miniredis.numbers", "miniredis.wire.requests", "miniredis.wire.replies"}


@pytest.mark.parametrize("path", sorted((ROOT / "minikafka" / "wire").rglob("*.py")), ids=name_of)
def test_kafkas_codec_knows_nothing_but_the_spec(path):
    modules = {module for module, _ in imports(path)}
    assert not modules & {"asyncio", "socket", "selectors", "threading", "time", "random"}
    ours = {module for module in modules if module.partition(".")[0] in PACKAGES}
    assert all(module.startswith("minikafka.wire") for module in ours)


@pytest.mark.parametrize("path", sources("miniredis", "minikafka", "raft", "ratelimit"), ids=name_of)
def test_the_engine_is_handed_what_it_needs_of_the_machine(path):
    if path.name in SERVING_SEEN_BY:
        return
    wrong = {module for module, for_types in imports(path) if module.startswith("serving") and not for_types}
    assert wrong <= HANDED_DOWN


def calls(path: Path) -> Iterator[str]:
    """Dotted names of what a file calls, as they are written."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize(
    "path", sources("miniredis", "minikafka", "raft", "ratelimit", "durable", "serving"), ids=name_of
)
def test_server_code_can_be_simulated(path):
    """No clock, dice, file or thread but those handed down; `rooms that may` are named above."""
    if name_of(path) in MEETS_THE_MACHINE:
        return
    tree = ast.parse(path.read_text())
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    known = {"open", *(call for call in FORBIDDEN_CALLS if call.partition(".")[0] in named | {"datetime", "Path"})}
    assert [call for call in calls(path) if call in known] == []
    hidden = {module for module, _ in imports(path)} & {"threading", "subprocess", "multiprocessing", "uvloop"}
    assert not hidden


def test_the_rooms_that_may_touch_the_machine_exist():
    assert [name for name in MEETS_THE_MACHINE if not (ROOT / name).exists()] == []


def test_every_module_says_what_it_is():
    silent = [
        name_of(path)
        for path in sources(*PACKAGES)
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []

import asyncio
import shutil
import socket
import ssl
import stat
import subprocess

import pytest

from serving.listener import AddressInUse, Bound, Listener, ListenError, Tcp, Unix, tls_context
from serving.open_connections import OpenConnections
from tests.serving.peers import Lines, within


@pytest.fixture
async def listener():
    connections = OpenConnections()
    listener = Listener(lambda: Lines(connections))
    yield listener
    listener.stop_accepting()
    await connections.stop(0)


async def talk(reader, writer):
    writer.write(b"hi\n")
    answer = await within(reader.readline())
    writer.close()
    return answer


async def test_port_0_is_chosen_by_the_kernel_and_shared_by_all_hosts(listener):
    await listener.start([Tcp("127.0.0.1", 0), Tcp("-::1", 0)])
    port = listener.port
    assert port > 0
    for host, at in listener.addresses:
        assert at == port
        assert await talk(*await asyncio.open_connection(host, port)) == b">hi\n"


async def test_a_taken_port_is_one_clear_line_and_nothing_stays_open(listener):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressInUse) as caught:
            await listener.start([Tcp("127.0.0.1", 0), Tcp("127.0.0.1", port)])
    assert str(caught.value) == f"127.0.0.1:{port} is taken: another process listens there"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", listener.port)


async def test_an_address_this_machine_lacks_is_an_error_unless_it_is_optional(listener):
    await listener.start([Tcp("-192.0.2.1", 0)])
    assert (listener.skipped, listener.addresses) == (["192.0.2.1"], [])
    with pytest.raises(ListenError, match=r"^cannot listen on 192\.0\.2\.1:0: Cannot assign requested address$"):
        await listener.start([Tcp("192.0.2.1", 0)])


async def test_stop_accepting_keeps_the_open_connections(listener):
    await listener.start([Tcp("127.0.0.1", 0)])
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"first\n")
    assert await within(reader.readline()) == b">first\n"
    listener.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", listener.port)
    assert await talk(reader, writer) == b">hi\n"


async def test_a_unix_socket_has_its_mode_replaces_a_leftover_and_goes_away(listener, tmp_path):
    path = tmp_path / "mini.sock"
    leftover = socket.socket(socket.AF_UNIX)
    leftover.bind(str(path))
    leftover.close()
    await listener.start([Unix(str(path), 0o700)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert await talk(*await asyncio.open_unix_connection(str(path))) == b">hi\n"
    listener.stop_accepting()
    assert not path.exists()


async def test_a_unix_path_that_cannot_be_says_why(listener, tmp_path):
    with pytest.raises(ListenError, match="No such file or directory"):
        await listener.start([Unix(str(tmp_path / "absent" / "mini.sock"))])


async def test_a_bound_socket_is_served_as_it_is(listener):
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    await listener.start([Bound(bound)])
    assert listener.addresses == [bound.getsockname()]
    assert await talk(*await asyncio.open_connection(*bound.getsockname())) == b">hi\n"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.fail("openssl makes the certificate of this test; install it")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


async def test_tls_asks_the_client_for_a_certificate_it_can_verify(listener, certificate):
    cert, key = str(certificate / "cert.pem"), str(certificate / "key.pem")
    server = tls_context(certificate=cert, key=key, authorities=cert)
    await listener.start([Tcp("127.0.0.1", 0, server)])
    known = ssl.create_default_context(cafile=cert)
    known.load_cert_chain(cert, key)
    dialled = asyncio.open_connection("127.0.0.1", listener.port, ssl=known, server_hostname="localhost")
    assert await talk(*await dialled) == b">hi\n"
    unknown = ssl.create_default_context(cafile=cert)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=unknown, server_hostname="localhost"
        )
        writer.write(b"hi\n")
        assert await within(reader.readline()) == b""
        raise ConnectionError("closed without an answer")


def test_a_certificate_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ListenError, match=r"TLS: cannot use .*absent\.pem"):
        tls_context(certificate=str(tmp_path / "absent.pem"), key="")

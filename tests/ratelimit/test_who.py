"""The client's address: through proxies, forged chains and prefixes."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.who import AddressError, Network, Prefixes, Proxies, forwarded_for, pack, unpack, without_port

OURS = Proxies(["10.0.0.0/8", "fd00::/8"])


def test_the_chain_is_read_from_the_right_until_a_stranger():
    assert OURS.client("10.0.0.2", "1.1.1.1, 203.0.113.9, 10.0.0.7") == "203.0.113.9"


def test_a_stranger_s_chain_is_not_read_at_all():
    assert OURS.client("198.51.100.1", "203.0.113.9") == "198.51.100.1"


def test_without_trusted_proxies_the_peer_is_the_client():
    assert Proxies().client("10.0.0.2", "203.0.113.9") == "10.0.0.2"
    assert Proxies(["10.0.0.0/8"], "none").client("10.0.0.2", "203.0.113.9") == "10.0.0.2"


def test_one_that_calls_on_behalf_of_others_is_believed_and_those_before_it_are_not():
    assert Proxies().client("127.0.0.1", "1.1.1.1, 203.0.113.9", believe_peer=True) == "203.0.113.9"


def test_a_chain_of_our_own_proxies_alone_ends_at_the_farthest():
    assert OURS.client("10.0.0.2", "10.0.0.4, 10.0.0.3") == "10.0.0.4"


@pytest.mark.parametrize("word", ["unknown", "_hidden", "300.1.1.1", "<script>", "1.2.3.4.5", "\0", "é"])
def test_what_is_no_address_ends_the_walk_at_the_proxy_that_wrote_it(word):
    assert OURS.client("10.0.0.2", f"203.0.113.9, {word}, 10.0.0.7") == "10.0.0.7"


def test_ports_and_brackets_and_empty_elements_do_not_matter():
    assert OURS.client("10.0.0.2", "203.0.113.9:4711, ,10.0.0.7:80,") == "203.0.113.9"
    assert OURS.client("fd00::1", "[2001:db8::1]:443") == "2001:db8::1"
    assert [without_port(text) for text in ("1.2.3.4", "[::1]", "::1", "[::1")] == ["1.2.3.4", "::1", "::1", "::1"]


def test_a_chain_without_end_is_read_for_a_while_only():
    assert OURS.client("10.0.0.2", "203.0.113.9, " + "10.0.0.7, " * 10_000) == "10.0.0.7"


def test_forwarded_is_read_as_rfc_7239_writes_it():
    proxies = Proxies(["192.0.2.0/24"], "forwarded")
    chain = 'for="[2001:db8:cafe::17]:4711";proto=http, For = 192.0.2.43;by=203.0.113.43'
    assert proxies.client("192.0.2.1", chain) == "2001:db8:cafe::17"
    assert forwarded_for('for="_a,b;\\"c", proto=https, for=unknown') == ["unknown", "", '_a,b;"c']
    assert forwarded_for('for="1.2.3.4') == []


def test_an_ipv4_address_in_ipv6_s_clothes_is_the_same_client():
    assert OURS.client("::ffff:10.0.0.2", "::ffff:203.0.113.9") == "203.0.113.9"
    assert Prefixes().of("::ffff:203.0.113.9") == "203.0.113.9"


def test_a_household_is_one_client():
    prefixes = Prefixes(ipv4=24, ipv6=56)
    assert prefixes.of("203.0.113.77") == "203.0.113.0/24"
    assert prefixes.of("2001:db8:1:2ff::9") == "2001:db8:1:200::/56"
    assert Prefixes().of("2001:DB8:0:1:5::9%eth0") == "2001:db8:0:1::/64"
    assert Prefixes(ipv4=0).of("203.0.113.77") == "0.0.0.0/0"


def test_what_is_no_address_stands_for_itself():
    assert Prefixes().of("/run/app.sock") == "/run/app.sock"


def test_the_memory_of_prefixes_is_bounded():
    prefixes = Prefixes()
    for number in range(40_000):
        prefixes.of(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(prefixes._known) <= 16_384


@given(st.ip_addresses(), st.integers(0, 32), st.integers(0, 128))
def test_prefixes_agree_with_the_standard_library(address, ipv4, ipv6):
    address = getattr(address, "ipv4_mapped", None) or address
    length = ipv4 if address.version == 4 else ipv6
    network = ipaddress.ip_network((address, length), strict=False)
    cut = Prefixes(ipv4, ipv6).of(str(address)).partition("/")[0]
    assert ipaddress.ip_address(cut) == network.network_address
    packed = pack(str(address))
    assert packed == address.packed
    assert packed in Network(str(network)) or (address.version == 6 and network.network_address.ipv4_mapped)
    assert ipaddress.ip_address(unpack(packed)) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.0/33", "'10.0.0.0/33': the prefix length must be 0 to 32"),
        ("10.0.0.1/8", "'10.0.0.1/8' has bits beyond its prefix; do you mean 10.0.0.0/8?"),
        ("localhost", "'localhost' is not an address or a network"),
    ],
)
def test_a_network_that_is_none_says_why(text, reason):
    with pytest.raises(AddressError) as error:
        Network(text)
    assert str(error.value) == reason


def test_prefix_lengths_have_bounds():
    with pytest.raises(AddressError):
        Prefixes(ipv4=33)

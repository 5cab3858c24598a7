"""Addresses in settings: listeners, what is advertised, the voters, and where nodes are dialled instead.

    listeners                 PLAINTEXT://127.0.0.1:9092,CONTROLLER://:9093     where to bind; no host: everywhere
    advertised.listeners      PLAINTEXT://kafka.example:9092                    what clients are told
    controller.quorum.voters  1@127.0.0.1:9093,2@127.0.0.1:9193
    mini.dial.2               127.0.0.1:7002                                    where this node dials broker 2: a relay, say

Source: Kafka `EndPoint`, `QuorumConfig`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from serving.config import SettingError

LISTENER = re.compile(r"([A-Za-z0-9_-]+)://(?:\[([0-9a-fA-F:]*)\]|([^:/\[\]]*)):(\d+)")
VOTER = re.compile(r"(\d+)@(?:\[([0-9a-fA-F:]*)\]|([^:@\[\]]+)):(\d+)")
ADDRESS = re.compile(r"(?:\[([0-9a-fA-F:]*)\]|([^:\[\]]+)):(\d+)")


@dataclass(frozen=True)
class Listener:
    """One listener.  role: "broker" or "controller".  advertised: what others are told; port 0 there means the bound one."""

    name: str
    host: str
    port: int
    role: str
    advertised_host: str
    advertised_port: int


def parse_listener(text: str, setting: str) -> tuple[str, str, int]:
    """Name, host, port.  Raises SettingError."""
    match = LISTENER.fullmatch(text.strip())
    if match is None or int(match[4]) > 65535:
        raise SettingError(setting, text, "", "expected NAME://host:port")
    return match[1].upper(), match[2] or match[3] or "", int(match[4])


def listeners_of(settings: Any) -> list[Listener]:
    """Those of this node's roles.  Raises SettingError for what cannot be."""
    controller_names = {name.upper() for name in settings.controller_listener_names}
    advertised = {
        name: (host, port)
        for name, host, port in (parse_listener(each, "advertised.listeners") for each in settings.advertised_listeners)
    }
    found: list[Listener] = []
    for each in settings.listeners:
        name, host, port = parse_listener(each, "listeners")
        role = "controller" if name in controller_names else "broker"
        if role not in settings.process_roles:
            if "listeners" in settings.where:
                raise SettingError("listeners", each, "", f"this node is no {role} (process.roles)")
            continue  # the default names both
        if any(other.name == name for other in found):
            raise SettingError("listeners", each, "", "each listener needs a name of its own")
        told_host, told_port = advertised.get(name, (host, port))
        found.append(Listener(name, host or "*", port, role, told_host or "127.0.0.1", told_port))
    for role in settings.process_roles:
        if not any(listener.role == role for listener in found):
            raise SettingError("listeners", ",".join(settings.listeners), "", f"no listener for the {role}")
    return found


def voters_of(settings: Any) -> dict[int, tuple[str, int]]:
    """id -> (host, port) of the controllers.  A node that is both, and is told nothing, is the only one."""
    voters = {}
    for each in settings.controller_quorum_voters:
        match = VOTER.fullmatch(each.strip())
        if match is None:
            raise SettingError("controller.quorum.voters", each, "", "expected id@host:port")
        voters[int(match[1])] = (match[2] or match[3], int(match[4]))
    if not voters:
        if "controller" not in settings.process_roles:
            raise SettingError("controller.quorum.voters", "", "", "a broker must know its controllers")
        own = next(each for each in listeners_of(settings) if each.role == "controller")
        voters[settings.node_id] = (own.advertised_host, own.advertised_port)
    elif "controller" in settings.process_roles and settings.node_id not in voters:
        raise SettingError(
            "controller.quorum.voters", "", "", f"node {settings.node_id} is a controller, and not in it"
        )
    return voters


def parse_address(text: str, setting: str) -> tuple[str, int]:
    """`host:port`.  Raises SettingError."""
    match = ADDRESS.fullmatch(text.strip())
    if match is None:
        raise SettingError(setting, text, "", "expected host:port")
    return match[1] or match[2], int(match[3])

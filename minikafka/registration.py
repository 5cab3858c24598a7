"""What a broker tells the controller of itself: where it listens, which folders it has, how it went down.

Source: KIP-631, KIP-858, KIP-966.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minikafka.controller.features import FEATURES
from minikafka.wire.messages.controller import BrokerRegistrationRequest

if TYPE_CHECKING:
    from minikafka.node import Node

PLAINTEXT = 0


def registration_request(node: Node) -> BrokerRegistrationRequest:
    """As this process would register now."""
    return BrokerRegistrationRequest(
        broker_id=node.me,
        cluster_id=node.folders.cluster_id or node.settings.cluster_id,
        incarnation_id=node.incarnation,
        listeners=[
            BrokerRegistrationRequest.Listener(
                name=listener.name,
                host=listener.advertised_host,
                port=listener.advertised_port or node.port_of(listener.name),
                security_protocol=PLAINTEXT,
            )
            for listener in node.listeners
            if listener.role == "broker"
        ],
        features=[
            BrokerRegistrationRequest.Feature(
                name=name, min_supported_version=levels.minimum, max_supported_version=levels.maximum
            )
            for name, levels in FEATURES.items()
        ],
        rack=node.settings.broker_rack or None,
        log_dirs=node.folders.online_ids(),
        previous_broker_epoch=node.folders.previous_epoch,
    )

"""ApiVersions and DescribeCluster: what this broker can be asked, and who the brokers are.

A client uses of each API the newest version that both sides list, and no API that is not listed.  What is listed is more
than what is served in one place: Produce 0-2 close the connection, as in Kafka 4, and are listed because old librdkafka
switches compression off unless they are.

Source: KIP-35, KIP-511, KIP-584, KIP-896.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from minikafka.controller.features import FEATURES
from minikafka.wire.apis import APIS
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.cluster import ApiVersionsRequest, ApiVersionsResponse

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
NAMED_SINCE = 3
MINIMUM_ZERO_SINCE = 4


def api_versions(
    broker: Broker, request: ApiVersionsRequest, context: RequestContext, reply: Callable[[ApiVersionsResponse], None]
) -> None:
    """Every API that clients may use, with its versions."""
    version = context.api_version
    if version >= NAMED_SINCE and not (
        SOFTWARE.fullmatch(request.client_software_name) and SOFTWARE.fullmatch(request.client_software_version)
    ):
        reply(ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST))
        return
    image = broker.image
    reply(
        ApiVersionsResponse(
            api_keys=[
                ApiVersionsResponse.Api(
                    api_key=api.key, min_version=api.offered.first, max_version=api.offered.last or 0
                )
                for api in APIS.values()
                if api.offered.first in api.offered
            ],
            supported_features=[
                ApiVersionsResponse.SupportedFeature(name=name, min_version=each.minimum, max_version=each.maximum)
                for name, each in FEATURES.items()
                if each.minimum > 0 or version >= MINIMUM_ZERO_SINCE
            ],
            finalized_features_epoch=image.offset,
            finalized_features=[
                ApiVersionsResponse.FinalizedFeature(name=name, max_version_level=level, min_version_level=level)
                for name, level in image.features.items()
            ],
        )
    )

"""Configurations of topics, brokers and groups, read and changed.

Source: KIP-133, KIP-226 (synonyms, brokers at run time), KIP-339 (incremental changes), KIP-569 (types), KIP-1142 (list).
"""

from minikafka.wire.types import Boolean, Int8, Int16, Int32, String, Struct, message, since


@message(api_key=32, versions="1-4", flexible="4+")
class DescribeConfigsRequest(Struct):
    """Settings of resources, with where each value comes from."""

    resources: list["Resource"]
    include_synonyms: Boolean
    include_documentation: Boolean = since(3)

    class Resource(Struct):
        resource_type: Int8  # 2: topic, 4: broker, 8: broker logger, 32: group
        resource_name: String
        configuration_keys: list[String] | None  # None: all


@message(api_key=32, versions="1-4", flexible="4+")
class DescribeConfigsResponse(Struct):
    """Per resource its settings."""

    throttle_time_ms: Int32
    results: list["Resource"]

    class Resource(Struct):
        error_code: Int16
        error_message: String | None
        resource_type: Int8
        resource_name: String
        configs: list["Config"]

        class Config(Struct):
            name: String
            value: String | None
            read_only: Boolean
            config_source: Int8 = -1  # 1 topic, 2 broker, 3 all brokers, 4 file, 5 default, 6 logger, 8 group
            is_sensitive: Boolean  # a password: its value is not told
            synonyms: list["Synonym"]  # where else it is set, the one that counts first
            # 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password
            config_type: Int8 = since(3)
            documentation: String | None = since(3)

            class Synonym(Struct):
                name: String
                value: String | None
                source: Int8


@message(api_key=33, versions="0-2", flexible="2+")
class AlterConfigsRequest(Struct):
    """Replace all settings of resources: what is not named goes back to its default."""

    resources: list["Resource"]
    validate_only: Boolean

    class Resource(Struct):
        resource_type: Int8  # as in DescribeConfigs
        resource_name: String
        configs: list["Config"]

        class Config(Struct):
            name: String
            value: String | None


@message(api_key=33, versions="0-2", flexible="2+")
class AlterConfigsResponse(Struct):
    """An error per resource."""

    throttle_time_ms: Int32
    responses: list["Resource"]

    class Resource(Struct):
        error_code: Int16
        error_message: String | None
        resource_type: Int8
        resource_name: String


@message(api_key=44, versions="0-1", flexible="1+")
class IncrementalAlterConfigsRequest(Struct):
    """Change single settings and leave the others."""

    resources: list["Resource"]
    validate_only: Boolean

    class Resource(Struct):
        resource_type: Int8  # as in DescribeConfigs
        resource_name: String
        configs: list["Config"]

        class Config(Struct):
            name: String
            config_operation: Int8  # 0 set, 1 delete, 2 append, 3 subtract (of a list)
            value: String | None


@message(api_key=44, versions="0-1", flexible="1+")
class IncrementalAlterConfigsResponse(Struct):
    """An error per resource."""

    throttle_time_ms: Int32
    responses: list["Resource"]

    class Resource(Struct):
        error_code: Int16
        error_message: String | None
        resource_type: Int8
        resource_name: String


@message(api_key=74, versions="0-1", flexible="0+")
class ListConfigResourcesRequest(Struct):
    """Which resources have settings?  In version 0: client metrics alone."""

    resource_types: list[Int8] = since(1)


@message(api_key=74, versions="0-1", flexible="0+")
class ListConfigResourcesResponse(Struct):
    """Their names and types."""

    throttle_time_ms: Int32
    error_code: Int16
    config_resources: list["ConfigResource"]

    class ConfigResource(Struct):
        resource_name: String
        resource_type: Int8 = since(1, default=16)

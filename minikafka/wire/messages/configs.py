"""configs"""

from minikafka.wire.types import Boolean, Int8, Int16, Int32, String, Struct, message, since


@message(api_key=32, versions="1-4", flexible="4+")
class DescribeConfigsRequest(Struct):
    resources: list["Resource"]
    include_synonyms: Boolean
    include_documentation: Boolean = since(3)

    class Resource(Struct):
        resource_type: Int8
        resource_name: String
        configuration_keys: list[String] | None


@message(api_key=32, versions="1-4", flexible="4+")
class DescribeConfigsResponse(Struct):
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
            config_source: Int8 = -1
            is_sensitive: Boolean
            synonyms: list["Synonym"]
            config_type: Int8 = since(3)
            documentation: String | None = since(3)

            class Synonym(Struct):
                name: String
                value: String | None
                source: Int8


@message(api_key=33, versions="0-2", flexible="2+")
class AlterConfigsRequest(Struct):
    resources: list["Resource"]
    validate_only: Boolean

    class Resource(Struct):
        resource_type: Int8
        resource_name: String
        configs: list["Config"]

        class Config(Struct):
            name: String
            value: String | None


@message(api_key=33, versions="0-2", flexible="2+")
class AlterConfigsResponse(Struct):
    throttle_time_ms: Int32
    responses: list["Resource"]

    class Resource(Struct):
        error_code: Int16
        error_message: String | None
        resource_type: Int8
        resource_name: String


@message(api_key=44, versions="0-1", flexible="1+")
class IncrementalAlterConfigsRequest(Struct):
    resources: list["Resource"]
    validate_only: Boolean

    class Resource(Struct):
        resource_type: Int8
        resource_name: String
        configs: list["Config"]

        class Config(Struct):
            name: String
            config_operation: Int8
            value: String | None


@message(api_key=44, versions="0-1", flexible="1+")
class IncrementalAlterConfigsResponse(Struct):
    throttle_time_ms: Int32
    responses: list["Resource"]

    class Resource(Struct):
        error_code: Int16
        error_message: String | None
        resource_type: Int8
        resource_name: String


@message(api_key=74, versions="0-1", flexible="0+")
class ListConfigResourcesRequest(Struct):
    resource_types: list[Int8] = since(1)


@message(api_key=74, versions="0-1", flexible="0+")
class ListConfigResourcesResponse(Struct):
    throttle_time_ms: Int32
    error_code: Int16
    config_resources: list["ConfigResource"]

    class ConfigResource(Struct):
        resource_name: String
        resource_type: Int8 = since(1, default=16)

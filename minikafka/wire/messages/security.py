"""Who is there, and what may they do: SASL, access control lists, SCRAM credentials.

Source: KIP-43 and KIP-152 (SASL), KIP-368 (sessions that end), KIP-140 and KIP-290 (ACLs, prefixes), KIP-554 (SCRAM).
"""

from minikafka.wire.types import Bytes, Int8, Int16, Int32, Int64, String, Struct, message, since


@message(api_key=17, versions="0-1")
class SaslHandshakeRequest(Struct):
    """Which mechanism shall it be?"""

    mechanism: String


@message(api_key=17, versions="0-1")
class SaslHandshakeResponse(Struct):
    """Go on, or the mechanisms there are."""

    error_code: Int16
    mechanisms: list[String]


@message(api_key=36, versions="0-2", flexible="2+")
class SaslAuthenticateRequest(Struct):
    """A step of the mechanism; its bytes are the mechanism's own."""

    auth_bytes: Bytes


@message(api_key=36, versions="0-2", flexible="2+")
class SaslAuthenticateResponse(Struct):
    """The other side's step."""

    error_code: Int16
    error_message: String | None
    auth_bytes: Bytes
    session_lifetime_ms: Int64 = since(1)  # after which to authenticate again; 0: never


@message(api_key=29, versions="1-3", flexible="2+")
class DescribeAclsRequest(Struct):
    """The rules that match a filter; None matches anything."""

    resource_type_filter: Int8  # 1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 token, 7 user
    resource_name_filter: String | None
    pattern_type_filter: Int8 = 3  # 1 any, 2 whatever matches the name, 3 literal, 4 prefixed
    principal_filter: String | None
    host_filter: String | None
    operation: Int8
    permission_type: Int8


@message(api_key=29, versions="1-3", flexible="2+")
class DescribeAclsResponse(Struct):
    """Rules by resource."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    resources: list["Resource"]

    class Resource(Struct):
        resource_type: Int8
        resource_name: String
        pattern_type: Int8 = 3
        acls: list["Acl"]

        class Acl(Struct):
            principal: String
            host: String
            operation: Int8
            permission_type: Int8


@message(api_key=30, versions="1-3", flexible="2+")
class CreateAclsRequest(Struct):
    """Add rules."""

    creations: list["Creation"]

    class Creation(Struct):
        resource_type: Int8
        resource_name: String
        resource_pattern_type: Int8 = 3
        principal: String
        host: String
        operation: Int8
        permission_type: Int8  # 2 deny, 3 allow


@message(api_key=30, versions="1-3", flexible="2+")
class CreateAclsResponse(Struct):
    """An error per rule."""

    throttle_time_ms: Int32
    results: list["Result"]

    class Result(Struct):
        error_code: Int16
        error_message: String | None


@message(api_key=31, versions="1-3", flexible="2+")
class DeleteAclsRequest(Struct):
    """Delete all rules that match one of the filters."""

    filters: list["Filter"]

    class Filter(Struct):
        resource_type_filter: Int8
        resource_name_filter: String | None
        pattern_type_filter: Int8 = 3
        principal_filter: String | None
        host_filter: String | None
        operation: Int8
        permission_type: Int8


@message(api_key=31, versions="1-3", flexible="2+")
class DeleteAclsResponse(Struct):
    """Per filter what was deleted."""

    throttle_time_ms: Int32
    filter_results: list["FilterResult"]

    class FilterResult(Struct):
        error_code: Int16
        error_message: String | None
        matching_acls: list["MatchingAcl"]

        class MatchingAcl(Struct):
            error_code: Int16
            error_message: String | None
            resource_type: Int8
            resource_name: String
            pattern_type: Int8 = 3
            principal: String
            host: String
            operation: Int8
            permission_type: Int8


@message(api_key=50, versions="0", flexible="0+")
class DescribeUserScramCredentialsRequest(Struct):
    """How do these users authenticate?  None: all users."""

    users: list["User"] | None

    class User(Struct):
        name: String


@message(api_key=50, versions="0", flexible="0+")
class DescribeUserScramCredentialsResponse(Struct):
    """Mechanisms and iterations; never the secrets."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    results: list["Result"]

    class Result(Struct):
        user: String
        error_code: Int16
        error_message: String | None
        credential_infos: list["CredentialInfo"]

        class CredentialInfo(Struct):
            mechanism: Int8
            iterations: Int32


@message(api_key=51, versions="0", flexible="0+")
class AlterUserScramCredentialsRequest(Struct):
    """Set or delete SCRAM credentials."""

    deletions: list["Deletion"]
    upsertions: list["Upsertion"]

    class Deletion(Struct):
        name: String
        mechanism: Int8  # 1: SCRAM-SHA-256, 2: SCRAM-SHA-512

    class Upsertion(Struct):
        name: String
        mechanism: Int8
        iterations: Int32
        salt: Bytes
        salted_password: Bytes


@message(api_key=51, versions="0", flexible="0+")
class AlterUserScramCredentialsResponse(Struct):
    """An error per user."""

    throttle_time_ms: Int32
    results: list["Result"]

    class Result(Struct):
        user: String
        error_code: Int16
        error_message: String | None

"""HELLO, AUTH, SELECT, RESET, QUIT: the state of one connection."""

from tests.miniredis.engine_fixtures import Redis

WRONG_PASSWORD = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


def test_hello_without_words_tells_who_is_there():
    redis = Redis()
    assert redis("HELLO") == (
        b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n"
        b"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
    )


def test_hello_3_answers_in_resp3_already():
    assert Redis()("HELLO", 3)[:2] == b"%7"


def test_hello_refuses_other_protocols_and_unknown_options():
    redis = Redis()
    assert redis("HELLO", 4) == b"-NOPROTO unsupported protocol version\r\n"
    assert redis("HELLO", "x") == b"-ERR Protocol version is not an integer or out of range\r\n"
    assert redis("HELLO", 3, "FOO") == b"-ERR Syntax error in HELLO option 'FOO'\r\n"
    assert redis("HELLO", 3, "SETNAME", "a b") == (
        b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n"
    )


def test_hello_logs_in_and_names_the_connection():
    redis = Redis(requirepass="secret")
    assert redis("HELLO", 3)[:30] == b"-NOAUTH HELLO must be called w"
    assert redis("HELLO", 3, "AUTH", "default", "wrong") == WRONG_PASSWORD
    redis("HELLO", 3, "AUTH", "default", "secret", "SETNAME", "me")
    assert redis("CLIENT", "GETNAME") == b"$2\r\nme\r\n"


def test_a_hello_whose_password_is_wrong_changes_nothing():
    redis = Redis(requirepass="secret")
    redis("AUTH", "secret")
    assert redis("HELLO", 3, "SETNAME", "me", "AUTH", "default", "wrong") == WRONG_PASSWORD
    assert redis("CLIENT", "GETNAME") == b"$-1\r\n"


def test_auth_checks_user_and_password():
    redis = Redis(requirepass="secret")
    assert redis("AUTH", "you", "secret") == WRONG_PASSWORD
    assert redis("AUTH", "wrong") == WRONG_PASSWORD
    assert redis("AUTH", "a", "b", "c") == b"-ERR syntax error\r\n"
    assert redis("AUTH", "default", "secret") == b"+OK\r\n"
    assert redis("PING") == b"+PONG\r\n"
    assert redis.engine.stats.failed_logins == 2


def test_auth_without_a_password_to_check_is_a_mistake():
    redis = Redis()
    assert redis("AUTH", "x").startswith(b"-ERR AUTH <password> called without any password configured")
    assert redis("AUTH", "default", "x") == b"+OK\r\n"


def test_a_password_set_later_is_not_asked_of_those_who_are_in():
    redis = Redis()
    redis("CONFIG", "SET", "requirepass", "secret")
    assert redis("PING") == b"+PONG\r\n"
    assert redis("PING", client=redis.connect()) == b"-NOAUTH Authentication required.\r\n"


def test_a_stranger_may_do_all_once_the_password_is_gone():
    redis = Redis(requirepass="secret")
    stranger = redis.connect()
    redis("AUTH", "secret")
    redis("CONFIG", "SET", "requirepass", "")
    assert redis("PING", client=stranger) == b"+PONG\r\n"


def test_unknown_commands_are_named_even_to_strangers():
    redis = Redis(requirepass="secret")
    assert redis("NOSUCH") == b"-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
    assert redis("EXEC") == (b"-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n")


def test_passwords_are_not_shown_to_monitors_nor_kept_in_the_slow_log():
    redis = Redis(requirepass="secret", slowlog_log_slower_than=0)
    redis("AUTH", "secret")
    monitor = redis.connect()
    redis("AUTH", "secret", client=monitor)
    redis("MONITOR", client=monitor)
    redis("HELLO", 3, "AUTH", "default", "secret", "SETNAME", "me")
    assert redis.said(monitor).endswith(b'"HELLO" "3" "AUTH" "(redacted)" "(redacted)" "SETNAME" "me"\r\n')
    kept = [entry.arguments for entry in redis.engine.slowlog.entries]
    assert [b"AUTH", b"(redacted)"] in kept and all(b"secret" not in words for words in kept)


def test_select_knows_its_bounds():
    redis = Redis()
    assert redis("SELECT", 15) == b"+OK\r\n"
    assert redis("SELECT", 16) == redis("SELECT", -1) == b"-ERR DB index is out of range\r\n"
    assert redis("SELECT", "x") == b"-ERR value is not an integer or out of range\r\n"
    assert redis("SELECT", 2**31) == (b"-ERR value is out of range, value must between -2147483648 and 2147483647\r\n")


def test_reset_makes_the_connection_as_new():
    redis = Redis()
    for line in ("HELLO 3", "CLIENT SETNAME me", "SELECT 3", "WATCH k", "SUBSCRIBE c", "MONITOR", "MULTI"):
        redis(*line.split())
    assert redis("RESET").startswith(b"+RESET\r\n")
    client = redis.client
    assert (client.protocol, client.name, client.database.index, client.watched) == (2, b"", 0, [])
    assert (client.in_transaction, client.subscriptions, client.monitoring, client.careful) == (False, 0, False, False)
    assert redis.engine.guards == set()


def test_reset_forgets_the_login():
    redis = Redis(requirepass="secret")
    redis("AUTH", "secret")
    redis("RESET")
    assert redis("PING") == b"-NOAUTH Authentication required.\r\n"


def test_ping_and_echo():
    redis = Redis()
    assert (redis("PING"), redis("PING", "hi"), redis("ECHO", "x")) == (b"+PONG\r\n", b"$2\r\nhi\r\n", b"$1\r\nx\r\n")
    redis("SUBSCRIBE", "c")
    assert redis("PING", "hi") == b"*2\r\n$4\r\npong\r\n$2\r\nhi\r\n"

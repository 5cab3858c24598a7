"""Requests: bytes in, lists of arguments out.  No sockets, no commands, no clock.

A request is an array of bulk strings, or, for people with a telnet, a line of words:

    *2 CRLF  $3 CRLF  GET CRLF  $1 CRLF  k CRLF            GET k LF

In C one walks along the bytes.  In Python every step costs 50 ns, so the walk is left to `bytes.split`: cut the whole
read once at CRLF, then *prove* that each token is as long as the token before it announces.  The proof is what makes
this a parser and not a guess: a value that holds a CRLF of its own fails it and is read the careful way, byte counts
in hand.  Three ways, each the fallback of the one above:

    table      a deep pipeline of requests of one width: the tokens as a table, checked column by column
    row        request by request, each checked by one comparison of two lists
    careful    length by length: values with CRLF, long values, cut requests, inline commands, every error

Source: Redis protocol specification; limits and error texts from Redis 7.2 `networking.c`.
"""

from collections.abc import Sequence

from miniredis.errors import ProtocolError, TooMuchForAStranger
from miniredis.numbers import parse_integer

Request = Sequence[bytes]

LINE_MAX = 64 * 1024  # of an inline command, or of a length
ARGUMENTS_MAX = 2**31 - 1
UNAUTHENTICATED_ARGUMENTS_MAX = 10
UNAUTHENTICATED_LENGTH_MAX = 16384

LENGTHS = {b"$%d" % length: length for length in range(4096)}
COUNTS = {b"*%d" % count: count for count in range(1, 1025)}
QUOTED = {ord("n"): b"\n", ord("r"): b"\r", ord("t"): b"\t", ord("b"): b"\b", ord("a"): b"\a"}
SPACE = b" \n\r\t\v\f\0"


class RequestReader:
    """Cuts a byte stream into requests; whoever owns the socket calls `receive`.

    After a protocol error `error` is set: the requests before it are still delivered, nothing after it can be trusted.
    """

    def __init__(self, bulk_max: int = 512 * 1024 * 1024) -> None:
        self.bulk_max = bulk_max  # bytes; `proto-max-bulk-len`
        self.authenticated = True  # a stranger may send only little
        self.error: ProtocolError | None = None
        self._pieces: list[bytes] = []  # of an unfinished request: joined once, not once per read
        self._missing = 0  # more bytes than have come are needed before reading on is worth it
        self._pending = 0  # bytes held in _pieces

    @property
    def buffered(self) -> int:
        """Bytes of the unfinished request, which `client-query-buffer-limit` bounds."""
        return self._pending

    def receive(self, data: bytes) -> list[Request]:
        """The requests that `data` completes, in order."""
        if self._pieces:
            self._pieces.append(data)
            self._pending += len(data)
            self._missing -= len(data)
            if self._missing > 0:
                return []
            data = b"".join(self._pieces)
            self._pieces = []
            self._pending = 0
        elif self.authenticated and self.error is None:
            tokens = data.split(b"\r\n")  # one whole request: what a client sends that waits for each reply
            count = COUNTS.get(tokens[0])
            if count is not None and len(tokens) == 2 * count + 2 and not tokens[-1]:
                request = tokens[2:-1:2]
                if list(map(LENGTHS.get, tokens[1:-1:2])) == list(map(len, request)):
                    return [request]
        requests: list[Request] = []
        if self.error is not None:
            return requests
        end = self._read_rows(data, requests) if self.authenticated else 0
        if end < len(data):
            try:
                end = self._read_carefully(data, end, requests)
            except ProtocolError as error:
                self.error = error
                return requests
            if end < len(data):
                rest = data[end:]
                self._pieces = [rest]
                self._pending = len(rest)
        return requests

    def admit(self) -> list[Request]:
        """The password was right: no limits of a stranger any more.  The requests that had to wait for that."""
        self.authenticated = True
        if isinstance(self.error, TooMuchForAStranger):
            self.error = None
            return self.receive(b"")
        return []

    def _read_rows(self, data: bytes, requests: list[Request]) -> int:
        """Append what can be proved by token lengths; returns where the proof ended."""
        tokens = data.split(b"\r\n")
        whole = len(tokens) - 1  # the last one has no CRLF behind it
        count = COUNTS.get(tokens[0])
        if count is None:
            return 0
        width = 2 * count + 1
        rows = whole // width
        position = 0
        if rows > 2 and tokens[0 : rows * width : width].count(tokens[0]) == rows:
            end = rows * width
            columns = []
            for column in range(2, width, 2):
                values = tokens[column:end:width]
                if list(map(LENGTHS.get, tokens[column - 1 : end : width])) != list(map(len, values)):
                    break
                columns.append(values)
            else:
                requests.extend(zip(*columns, strict=True))
                position = end
        while position < whole:
            count = COUNTS.get(tokens[position])
            if count is None:
                break
            end = position + 2 * count + 1
            if end > whole:
                break
            request = tokens[position + 2 : end : 2]
            if list(map(LENGTHS.get, tokens[position + 1 : end : 2])) != list(map(len, request)):
                break
            requests.append(request)
            position = end
        rest = tokens[position:]
        return len(data) - sum(map(len, rest)) - 2 * (len(rest) - 1)

    def _read_carefully(self, data: bytes, start: int, requests: list[Request]) -> int:
        """Append every whole request from `start` on; returns where the first unfinished one begins."""
        size = len(data)
        while start < size:
            if data[start] != 0x2A:
                end = data.find(b"\n", start)
                if end < 0:
                    if size - start > LINE_MAX:
                        raise ProtocolError("too big inline request")
                    break
                words = split_words(data[start:end].removesuffix(b"\r"))
                if words is None:
                    raise ProtocolError("unbalanced quotes in request")
                if words:
                    requests.append(words)
                start = end + 1
                continue
            try:
                request, end = self._read_array(data, start)
            except TooMuchForAStranger as error:
                self.error = error
                break
            if request is None:
                break
            if request:
                requests.append(request)
            start = end
        return start

    def _read_array(self, data: bytes, start: int) -> tuple[list[bytes] | None, int]:
        """One request and where it ends, or None and a note in `_missing` of how much more it takes."""
        size = len(data)
        self._missing = 0
        line_end = data.find(b"\r", start)
        if line_end < 0 or line_end + 1 >= size:
            if size - start > LINE_MAX:
                raise ProtocolError("too big mbulk count string")
            return None, start
        count = parse_integer(data[start + 1 : line_end])
        if count is None or count > ARGUMENTS_MAX:
            raise ProtocolError("invalid multibulk length")
        if count > UNAUTHENTICATED_ARGUMENTS_MAX and not self.authenticated:
            raise TooMuchForAStranger("unauthenticated multibulk length")
        position = line_end + 2
        request: list[bytes] = []
        while len(request) < count:
            line_end = data.find(b"\r", position)
            if line_end < 0 or line_end + 1 >= size:
                if size - position > LINE_MAX:
                    raise ProtocolError("too big bulk count string")
                return None, start
            if data[position] != 0x24:
                raise ProtocolError(f"expected '$', got '{chr(data[position])}'")
            length = parse_integer(data[position + 1 : line_end])
            if length is None or not 0 <= length <= self.bulk_max:
                raise ProtocolError("invalid bulk length")
            if length > UNAUTHENTICATED_LENGTH_MAX and not self.authenticated:
                raise TooMuchForAStranger("unauthenticated bulk length")
            position = line_end + 2 + length + 2  # as Redis, which does not look at the closing CRLF either
            if position > size:
                self._missing = position - size
                return None, start
            request.append(data[line_end + 2 : position - 2])
        return request, position


def split_words(line: bytes) -> list[bytes] | None:
    """The words of an inline command, as a shell would: "double" quotes with \\n \\x41, 'single' ones without.

    None where a quote is not closed, or something stands right behind a closing one.  Source: Redis `sds.c`, sdssplitargs.
    """
    words: list[bytes] = []
    at, end = 0, len(line)
    while True:
        while at < end and line[at] in SPACE:
            at += 1
        if at == end:
            return words
        word = bytearray()
        while at < end and line[at] not in SPACE:
            quote = line[at]
            if quote not in (0x22, 0x27):
                word.append(quote)
                at += 1
                continue
            at += 1
            while True:
                if at == end:
                    return None
                byte = line[at]
                if byte == quote:
                    break
                if quote == 0x27 and line[at : at + 2] == b"\\'":
                    word.append(quote)
                    at += 2
                elif quote == 0x22 and byte == 0x5C and at + 1 < end:
                    at += read_escape(line, at, word)
                else:
                    word.append(byte)
                    at += 1
            at += 1
            if at < end and line[at] not in SPACE:
                return None
            break
        words.append(bytes(word))


def read_escape(line: bytes, at: int, word: bytearray) -> int:
    """Append what the escape at `at` means; returns its length."""
    digits = line[at + 2 : at + 4]
    if (
        line[at + 1] == ord("x")
        and len(digits) == 2
        and all(chr(digit) in "0123456789abcdefABCDEF" for digit in digits)
    ):
        word.append(int(digits, 16))
        return 4
    word += QUOTED.get(line[at + 1], line[at + 1 : at + 2])
    return 2

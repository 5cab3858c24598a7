r"""Words on a line, as redis.conf and CONFIG SET write them: quotes in, quotes out.

    save 60 1000              three words
    requirepass "a \"b\" \xff"     two: double quotes know \n \r \t \a \b \xHH, any other \c is c
    requirepass 'it\'s'       two: single quotes know only \'

Text is `str` with bytes that are not UTF-8 kept as surrogates, so that a binary password survives the trip.

Source: Redis 7.2 `sds.c`, sdssplitargs and sdscatrepr.
"""

SPACE = " \t\n\r\v\f\0"
NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}
HEXADECIMAL = set("0123456789abcdefABCDEF")
ESCAPED = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\a": r"\a", "\b": r"\b"}


def split_words(line: str) -> list[str]:
    """The words of one line.  Raises ValueError when a quote stays open or a closing one touches a letter."""
    text = line.encode("utf-8", "surrogateescape").decode("latin-1")  # \xHH means a byte, not a character
    words: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position] in SPACE:
            position += 1
        if position == len(text):
            return words
        word, position = _next_word(text, position)
        words.append(word.encode("latin-1").decode("utf-8", "surrogateescape"))


def _next_word(text: str, position: int) -> tuple[str, int]:
    word: list[str] = []
    while position < len(text) and text[position] not in SPACE:
        letter = text[position]
        if letter == '"':
            position = _double_quoted(text, position + 1, word)
        elif letter == "'":
            position = _single_quoted(text, position + 1, word)
        else:
            word.append(letter)
            position += 1
            continue
        if position < len(text) and text[position] not in SPACE:
            raise ValueError("Unbalanced quotes in configuration line")
    return "".join(word), position


def _double_quoted(text: str, position: int, word: list[str]) -> int:
    """Append what stands in the quotes to `word`; returns the position behind the closing one."""
    while position < len(text):
        letter = text[position]
        if letter == '"':
            return position + 1
        if letter == "\\" and position + 1 < len(text):
            following = text[position + 1]
            digits = text[position + 2 : position + 4]
            if following == "x" and len(digits) == 2 and HEXADECIMAL.issuperset(digits):
                word.append(chr(int(digits, 16)))
                position += 4
            else:
                word.append(NAMED.get(following, following))
                position += 2
        else:
            word.append(letter)
            position += 1
    raise ValueError("Unbalanced quotes in configuration line")


def _single_quoted(text: str, position: int, word: list[str]) -> int:
    while position < len(text):
        if text.startswith("\\'", position):
            word.append("'")
            position += 2
        elif text[position] == "'":
            return position + 1
        else:
            word.append(text[position])
            position += 1
    raise ValueError("Unbalanced quotes in configuration line")


def quote(word: str) -> str:
    """`word` in double quotes, such that `split_words` gives it back."""
    text = word.encode("utf-8", "surrogateescape").decode("latin-1")
    return '"' + "".join(ESCAPED.get(c) or (c if " " <= c <= "~" else f"\\x{ord(c):02x}") for c in text) + '"'


def quote_if_needed(word: str) -> str:
    """`word` as it stands where that is safe, else in quotes."""
    plain = word and word.isascii() and word.isprintable() and not set(word) & set(" \"'#\\")
    return word if plain else quote(word)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.words import quote, quote_if_needed, split_words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("save 60 1000", ["save", "60", "1000"]),
        ("  \t a \t b  ", ["a", "b"]),
        ("", []),
        (r'"a \"b\" \x41\n\q"', ['a "b" A\nq']),
        (r'"\xzz \xc3\xa9"', ["xzz é"]),
        (r"'it\'s \n'", [r"it's \n"]),
        ("a\"b\" '' c", ["ab", "", "c"]),
        (r"a\ b", ["a\\", "b"]),
        ("é 日本", ["é", "日本"]),
    ],
)
def test_words_are_split_as_redis_splits_them(line, words):
    assert split_words(line) == words


@pytest.mark.parametrize("line", ['"open', "'open", '"a"b', "'a'b", 'x"a"y', '"\\'])
def test_quotes_that_do_not_end_with_their_word_are_refused(line):
    with pytest.raises(ValueError, match="Unbalanced quotes in configuration line"):
        split_words(line)


@given(st.lists(st.binary(), min_size=1))
def test_any_bytes_come_back_from_their_quotes(words):
    texts = [word.decode("utf-8", "surrogateescape") for word in words]
    assert split_words(" ".join(map(quote, texts))) == texts
    assert split_words(" ".join(map(quote_if_needed, texts))) == texts

"""What counts as text, and what becomes of the rest."""

import pytest
import tensorflow as tf

from seqkit.frontends.text import TextFrontend


class Letters(tf.Module):
    """Shows the text that reaches the tokenizer."""

    def encode(self, text):
        return text, tf.strings.length(text)


def seen(item):
    frontend = TextFrontend(Letters())
    return frontend(frontend.collate([item]))[0].numpy()[0]


@pytest.mark.parametrize(
    "item, text",
    [
        ("plain", b"plain"),
        (b"bytes", b"bytes"),
        ("one<br /><br/>two<br>three", b"one  two three"),
        ("a\0b", b"a b"),
        (b"broken \xff", "broken \ufffd".encode()),
        ("lone \ud800 surrogate", b"lone ? surrogate"),
        ("été", "été".encode()),
    ],
)
def test_what_the_tokenizer_gets(item, text):
    assert seen(item) == text


@pytest.mark.parametrize("item, kind", [(1, "int 1"), (None, "NoneType None"), (["a"], r"list \['a'\]")])
def test_other_items_are_refused_by_place(item, kind):
    with pytest.raises(ValueError, match=f"Item 1: expected a text .*received {kind}"):
        TextFrontend(Letters()).collate(["fine", item])


def test_an_empty_batch_is_allowed():
    assert TextFrontend(Letters()).collate([])["text"].shape == (0,)

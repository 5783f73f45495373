"""What counts as text, and what becomes of the rest."""

import pytest
import tensorflow as tf

from seqkit.frontends.text import TextFrontend
from seqkit.language.tokenizers import SentencePieceTokenizer, train_sentencepiece


class Letters(tf.Module):
    copied = None

    """Shows the text that reaches the tokenizer."""

    def encode_with_offsets(self, text):
        length = tf.strings.length(text)
        return text, length, tf.zeros_like(length)[:, None], length[:, None]


def seen(item):
    frontend = TextFrontend(Letters())
    return frontend(frontend.collate([item]))[0].numpy()[0]


@pytest.mark.parametrize(
    "item, text",
    [
        ("plain", b"plain"),
        (b"bytes", b"bytes"),
        ("one<br /><br/>two<br>three", b"one           two    three"),
        ("a\0b", b"a b"),
        (b"broken \xff", "broken \ufffd".encode()),
        ("lone \ud800 surrogate", "lone \ufffd surrogate".encode()),
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


def test_spans_are_characters_of_the_raw_text():
    texts = ["Good<br />film,  \U0001f600 na\u00efve \ufb01ne", "", b"\xff bad", "a<br  >b\0c", "e\u0301 \ud800 x"]
    model = train_sentencepiece(["good film naive bad fine a b c x e"] * 3, 60)
    frontend = TextFrontend(SentencePieceTokenizer(model))
    _, lengths, spans, *_ = frontend(frontend.collate(texts))
    for place, text in enumerate(texts):
        raw = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        cut = [raw[int(begin) : int(end)] for begin, end in spans[place, : lengths[place]].numpy()]
        for lost in ("<br />", "<br  >", "\0", "\ufffd", "\ud800"):  # SentencePiece takes U+FFFD for a space
            raw = raw.replace(lost, " " * len(lost))
        assert "".join(cut) == "".join(raw.split())
        assert spans[place, lengths[place] - 1].numpy().tolist() == [len(raw)] * 2  # the end of the text
    begins, ends = spans[0].numpy().T.tolist()
    assert 10 in begins and 14 in ends and 17 in begins  # "film" has the characters 10 to 13, the face is the one at 17

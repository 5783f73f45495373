"""Text <-> ids, in graph.

Convention: the same four ids open every vocabulary, `PAD, START, END, UNKNOWN = 0, 1, 2, 3`, and `PAD` is also the
CTC blank. A tokenizer is made from the bytes that a pipeline keeps among its assets, and holds constants only.
Left out: `START` is never added here; who decodes step by step adds it.
"""

import functools
import io
import json
import sys
import tempfile
import unicodedata
from pathlib import Path

import tensorflow as tf

from seqkit.parts import END, PAD, START, UNKNOWN

# What a text says that no vocabulary has, and that goes over to another text as it stands: web and mail addresses, names of
# accounts, and numbers of more than one digit. In RE2.
COPIED = r"(?:https?://|www\.)\S*[\pL\pN/]|[\pL\pN_.+-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)+|[@#][\pL\pN_]+|\pN[\pN.,:/]*\pN"


def train_sentencepiece(texts, vocabulary, case_sensitive=False, seed=0, form="nfkc", kind="unigram", bytes_too=False):
    """Learns a SentencePiece model.

    Args:
        texts: iterable of `str`, or of UTF-8 `bytes`; line breaks count as spaces.
        vocabulary: int, largest number of pieces, the four shared ids included; a small corpus yields fewer.
        case_sensitive: keep upper case.
        seed: int; the same texts and seed give the same model.
        form: "nfkc" normalises text so, inside the model that is returned; "nfc" only composes it, and changes nothing that
            one can see; the latter is case sensitive.
        kind: "unigram" (Kudo, 2018) or "bpe" (Sennrich, Haddow and Birch, 2016).
        bytes_too: have 256 pieces for bytes too, by which what is no piece is spelt, so that no character is lost.

    Returns:
        The serialized model, `bytes`.

    Raises:
        ValueError: no text holds a character.
    """
    import sentencepiece

    # Broken UTF-8 and lone surrogates are no characters to learn.
    whole = (text if isinstance(text, bytes) else text.encode("utf-8", "ignore") for text in texts)
    lines = (" ".join(text.decode("utf-8", "ignore").replace("\0", " ").split()) for text in whole)
    lines = [line for line in lines if line]
    if not lines:
        raise ValueError("A vocabulary needs text to learn from; received no text that is not empty.")
    sentencepiece.set_random_generator_seed(seed)
    model = io.BytesIO()
    if form == "nfkc":
        rules = {"normalization_rule_name": "nmt_nfkc" if case_sensitive else "nmt_nfkc_cf"}
    else:
        rules = {"normalization_rule_tsv": _composing()}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=vocabulary,
        hard_vocab_limit=False,
        model_type=kind,
        byte_fallback=bytes_too,
        **rules,
        max_sentence_length=1 << 20,  # bytes; the default of 4192 would drop long reviews without a word
        num_threads=1,  # the order of its sums, and so the model, depends on the number of threads
        pad_id=PAD,
        bos_id=START,
        eos_id=END,
        unk_id=UNKNOWN,
        minloglevel=2,
    )
    return model.getvalue()


def union_sentencepiece(model, other):
    """A SentencePiece model, `bytes`, with the pieces of another that it lacks behind its own, which keep their ids."""
    from sentencepiece import sentencepiece_model_pb2

    both = [sentencepiece_model_pb2.ModelProto.FromString(each) for each in (model, other)]
    known = {piece.piece for piece in both[0].pieces}
    both[0].pieces.extend(piece for piece in both[1].pieces if piece.piece not in known)
    both[0].trainer_spec.vocab_size = len(both[0].pieces)
    return both[0].SerializeToString()


@functools.cache
def _composing():
    """A file of rules, as SentencePiece reads them, that compose text as NFC does, and make a space of all white space."""
    rules = {}
    for character in map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]):
        apart, composed = (unicodedata.normalize(form, character) for form in ("NFD", "NFC"))
        if apart != composed or composed != character:
            rules[apart] = rules[character] = composed
            rules[unicodedata.normalize("NFC", apart[:-1]) + apart[-1:]] = composed
        if character.isspace():
            rules[character] = " "
    folder = Path(tempfile.mkdtemp(prefix="seqkit-"))
    points = [[" ".join(f"{ord(character):X}" for character in text) for text in rule] for rule in sorted(rules.items())]
    (folder / "nfc.tsv").write_text("".join(f"{left}\t{right}\n" for left, right in points if left != right))
    return str(folder / "nfc.tsv")


class SentencePieceTokenizer(tf.Module):
    """SentencePiece (Kudo and Richardson, 2018) as a TensorFlow op; normalisation is part of the model.

    Args:
        model: `bytes`, a serialized SentencePiece model whose first four ids are the shared ones.
        copied: regular expression (RE2) of what is read as one `UNKNOWN`, as are characters that only bytes spell, for a
            head that copies; None reads all of a text.

    Attributes:
        size: int, number of pieces.
        copied: the same.
    """

    def __init__(self, model, copied=None):
        super().__init__(name="sentencepiece")
        import sentencepiece

        try:
            import tensorflow_text  # only here: it has no Windows wheels, and other tokenizers do without it
        except ImportError as error:
            raise ImportError(
                "This pipeline reads text through SentencePiece, which needs the package `tensorflow-text` of the same "
                f"minor version as TensorFlow {tf.__version__}; it has wheels for Linux and for Macs with an M processor. "
                f"Importing it failed with: {error}"
            ) from error
        self._make = functools.partial(tensorflow_text.SentencepieceTokenizer, model=model, out_type=tf.int32)
        self._split = tensorflow_text.regex_split_with_offsets
        self._processor = pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.model, self.copied, self.size = model, copied, len(pieces)
        names = [pieces.id_to_piece(place) for place in range(self.size)]
        self.bytes = tf.constant([pieces.is_byte(place) for place in range(self.size)])
        self._space = names.index("▁") if "▁" in names else UNKNOWN
        self._spelt = [
            b""
            if place <= UNKNOWN
            else bytes([int(name[3:5], 16)])
            if pieces.is_byte(place)
            else name.replace("▁", " ").encode()
            for place, name in enumerate(names)
        ]

    @property
    def _op(self):
        """The op, made anew wherever it is used.

        Its resource belongs to a kernel that TensorFlow forgets whenever a random seed is set: a graph that captured it
        would answer "Resource ... does not exist" from then on. One that holds the op itself makes it again.
        """
        return self._make()

    def most_pieces(self, text):
        """How many pieces a `str` has at most, `END` left out: what is copied is counted by its bytes."""
        return len(self._processor.encode(text))

    def encode(self, text):
        """`(batch,)` UTF-8 strings -> ids `(batch, steps)` int32 padded with `PAD`, lengths `(batch,)` int32.

        Every row ends in `END`, so the empty text has one step.
        """
        if self.copied:
            return self.encode_with_offsets(text)[:2]
        ids = self._op.tokenize(text)
        ids = tf.concat([ids, tf.fill([ids.nrows(), 1], END)], axis=1)
        return ids.to_tensor(PAD), tf.cast(ids.row_lengths(), tf.int32)

    def encode_with_offsets(self, text):
        """As `encode`, and where each piece lies: byte offsets into the text, of its first byte and behind its last,
        `(batch, steps)` int32 each. `END` lies behind the text. White space
        before a piece, and U+FFFD, which is read so, is no part of it."""
        ids, begins, ends = self._op.tokenize_with_offsets(text)
        rows, count = ids.value_rowids(), ids.nrows()
        ids, begins, ends = (tf.cast(part.values, tf.int32) for part in (ids, begins, ends))
        pieces = tf.strings.substr(tf.gather(text, rows), begins, ends - begins)
        shown = tf.strings.regex_replace(pieces, r"^[\s\pZ\x{FFFD}]+", "")
        begins += tf.strings.length(pieces) - tf.strings.length(shown)
        if self.copied:
            ids, begins, ends, rows = self._collapsed(text, ids, begins, ends, rows)
        ids, begins, ends = (tf.RaggedTensor.from_value_rowids(part, rows, count) for part in (ids, begins, ends))
        ids = tf.concat([ids, tf.fill([count, 1], END)], axis=1)
        begins, ends = (tf.concat([at, tf.strings.length(text)[:, None]], axis=1).to_tensor() for at in (begins, ends))
        return ids.to_tensor(PAD), tf.cast(ids.row_lengths(), tf.int32), begins, ends

    def _collapsed(self, text, ids, begins, ends, rows):
        """Pieces of all rows, one after the other, with one `UNKNOWN` for each stretch of those that are copied."""
        parts, starts, stops = self._split(text, f"({self.copied})", f"({self.copied})")
        found = tf.strings.regex_full_match(parts.values, self.copied)
        starts, stops = (
            tf.cast(tf.ragged.boolean_mask(at, parts.with_values(found)).to_tensor(-1), tf.int32) for at in (starts, stops)
        )
        starts, stops = tf.gather(starts, rows), tf.gather(stops, rows)
        begin, end = begins[:, None], ends[:, None]
        copied = tf.reduce_any((begin < stops) & ((end > starts) | (begin >= starts)), axis=1)
        copied |= tf.gather(self.bytes, ids) | (ids == UNKNOWN)
        same = rows[1:] == rows[:-1]  # whether the next piece is of the same text
        # The space before belongs to it.
        copied |= tf.pad(copied[1:] & same, [[0, 1]]) & (ids == self._space)
        first = copied & ~tf.pad(copied[:-1] & same, [[1, 0]])
        run, kept = tf.cumsum(tf.cast(first, tf.int32)) - 1, first | ~copied
        last = tf.math.unsorted_segment_max(tf.where(copied, ends, 0), tf.maximum(run, 0), tf.size(ids))
        ends = tf.where(first, tf.gather(last, tf.maximum(run, 0)), ends)
        ids = tf.where(first, UNKNOWN, ids)
        return (tf.boolean_mask(part, kept) for part in (ids, begins, ends, rows))

    def decode(self, ids, lengths):
        """ids `(batch, steps)`, lengths `(batch,)` -> `(batch,)` strings; the shared ids spell nothing."""
        rows = tf.RaggedTensor.from_tensor(ids, lengths=tf.cast(lengths, tf.int64))
        return self._op.detokenize(tf.ragged.boolean_mask(rows, rows > UNKNOWN))

    def pieces(self, ids):
        """ids of any shape -> the pieces they stand for, strings of the same shape; `▁` opens a word."""
        return tf.reshape(self._op.id_to_string(tf.reshape(ids, [-1])), tf.shape(ids))

    def spelt(self, ids):
        """ids of any shape -> what they spell, strings of the same shape, a space before what opens a word; the shared ids
        are empty strings."""
        return tf.gather(tf.constant(self._spelt), ids)


def nfc(text):
    """Text in Unicode's composed form, where é is one code point; lone surrogates, which are no characters, are left out."""
    return unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode("utf-8"))


def learn_alphabet(texts):
    """The characters of texts, as the bytes of an asset: one JSON string, sorted by code point.

    Args:
        texts: iterable of `str`; read in NFC, so an accented letter is one character where Unicode has it as one.

    Raises:
        ValueError: no text holds a character.
    """
    characters = sorted(set().union(*map(nfc, texts)))
    if not characters:
        raise ValueError("An alphabet needs text to learn from; received no text that is not empty.")
    return json.dumps("".join(characters)).encode()


class CharacterTokenizer(tf.Module):
    """One id for each code point of NFC text (Unicode Standard Annex 15); the first character has id 4.

    Unlike pieces, rows do not end in `END`: a row is as long as its text.

    Args:
        alphabet: `bytes`, as of `learn_alphabet`.

    Attributes:
        alphabet: the same.
        characters: `str`, each character once, by code point.
        size: int, number of ids, the shared ones included.

    Raises:
        ValueError: `alphabet` is not a JSON string of distinct characters in order.
    """

    def __init__(self, alphabet):
        super().__init__(name="characters")
        characters = json.loads(alphabet)
        if not isinstance(characters, str) or not characters or sorted(set(characters)) != list(characters):
            raise ValueError(
                "An alphabet is a JSON string of distinct characters sorted by code point, as `learn_alphabet` writes it; "
                f"received {alphabet!r:.80}."
            )
        self.alphabet, self.characters, self.size = alphabet, characters, UNKNOWN + 1 + len(characters)
        self._spelt = [""] * (UNKNOWN + 1) + list(characters)

    def union(self, other):
        """A tokenizer of the characters of both; its ids are its own."""
        return CharacterTokenizer(learn_alphabet([self.characters, other.characters]))

    def ids(self, text):
        """`str` -> list of ids; `UNKNOWN` for a character outside the alphabet."""
        places = {character: place for place, character in enumerate(self.characters, UNKNOWN + 1)}
        return [places.get(character, UNKNOWN) for character in nfc(text)]

    def encode(self, text):
        """`(batch,)` UTF-8 strings in NFC -> ids `(batch, steps)` int32 padded with `PAD`, lengths `(batch,)` int32.

        Composing is not done in graph: what is not in NFC meets `UNKNOWN`.
        """
        known = tf.constant([ord(character) for character in self.characters])
        points = tf.strings.unicode_decode(text, "UTF-8")
        places = tf.minimum(tf.searchsorted(known, points.values), len(self.characters) - 1)
        ids = tf.where(tf.gather(known, places) == points.values, places + UNKNOWN + 1, UNKNOWN)
        return points.with_values(ids).to_tensor(PAD), tf.cast(points.row_lengths(), tf.int32)

    def pieces(self, ids):
        """ids of any shape -> their characters, strings of the same shape; the shared ids are empty strings."""
        return tf.gather(tf.constant(self._spelt), ids)

    spelt = pieces

    def most_pieces(self, text):
        """How many ids a `str` has."""
        return len(self.ids(text))

    def decode(self, ids, lengths):
        """ids `(batch, steps)`, lengths `(batch,)` -> `(batch,)` strings; the shared ids spell nothing."""
        real = tf.sequence_mask(lengths, tf.shape(ids)[1])
        return tf.strings.reduce_join(self.pieces(tf.where(real, ids, PAD)), axis=1)

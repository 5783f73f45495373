"""What a pipeline is made of, declared: a task, which is a value, and three parts with all that they may be asked for.

Convention: values travel with their lengths and with their spans, which say where on the raw input a step lies: pixels of a
picture, characters of a text, points of a pen. The frontend alone knows what its steps are; an encoder that joins steps joins
their spans, and a head answers positions by them. What a part cannot do is None, or False, here, so that nobody looks for
attributes. Left out: what any part computes.

Streams: a part that looks only backwards says how it goes on. `start(batch)` gives its state, a flat dict of tensors of fixed
shape but for the batch, and `step` takes what came with the state, and gives what is new with the next one. Whatever the
parts of an input are, what `step` gives for them, put together, is what a call gives for the whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

PAD, START, END, UNKNOWN = range(4)  # the ids that open every vocabulary


class Sequence(NamedTuple):
    """A padded batch of sequences.

    Attributes:
        values: `(batch, steps, ...)`.
        lengths: `(batch,)` int32, real steps.
        spans: `(batch, steps, 2)` float32, where on the input each step begins and ends, in the frontend's unit.
        texts: `(batch, steps)` strings, what of the input a head may copy as it stands, "" at all other steps; or None.
    """

    values: Any
    lengths: Any
    spans: Any
    texts: Any = None


def together(states):
    """States of several parts, a dict of flat dicts by the part's name, as one flat dict: names have the part's before them."""
    return {f"{part}_{name}": value for part, state in states.items() for name, value in state.items()}


def apart(state, parts):
    """What `together` made -> list of the states of these parts, by name."""
    return [{name[len(part) + 1 :]: value for name, value in state.items() if name.startswith(f"{part}_")} for part in parts]


def with_votes(states, votes):
    """Puts votes `(batch, steps, labels)`, what n-grams say for labels, behind states `(batch, steps, width)`."""
    return ops.concatenate([states, ops.cast(votes, states.dtype)], axis=-1)


def votes_apart(states, labels):
    """What `with_votes` made of so many labels -> states and votes."""
    return states[..., :-labels], states[..., -labels:]


class Frontend(tf.Module):
    """Raw input -> features, in graph, nothing learnt. `read`, `size` and `batch` run in Python before it.

    Attributes:
        signature: dict of name -> `tf.TensorSpec`, the batch that a call takes and an export's inputs.
        more: dict of name -> such a dict: other ways in, which an export has too.
        chunks: such a dict for parts of inputs, where it streams; None where they are batched as inputs are.
        streams: whether it looks only backwards: then it has `start` and `step`.
        join: function of a list of parts of one input, in order -> the input; None where inputs come whole.
        tokenizer: what made the steps of a text, None elsewhere.
        largest: int, `size` of a padded batch that a call answers at once, which bounds the memory it takes.
        rate: int, steps of a part, an array, in a unit of the spans, where utterances of a stream are told apart; else None.
        plain: `(values, lengths, seed, views=1) -> (features, lengths)`, in graph: makes features of what `learning()` keeps,
            where that is something else, for tasks that vary nothing; None elsewhere.
    """

    signature: dict
    more = {}
    streams = False
    largest = 1 << 19
    chunks = join = tokenizer = plain = rate = None

    def read(self, item, name):
        """One raw input -> what `batch` gathers; a ValueError that begins with `name` for one that is no such input."""
        raise NotImplementedError

    def is_one(self, item):
        """Whether a tuple is one input, not many."""
        return False

    def part(self, item, name):
        """A part of an input that comes in parts -> what `batch` gathers; a part may be empty."""
        return self.read(item, name)

    def size(self, item):
        """Roughly how many steps an input that was read makes, int: for putting like ones together."""
        raise NotImplementedError

    def pieces(self, item):
        """An input that was read -> the pieces that it is answered in, a list of `(input, begin)` with where each begins in the
        unit of the spans; one, unless it is too long to be read at once. The head's `stitched` makes one answer of theirs."""
        return [(item, 0.0)]

    def batch(self, items):
        """A list of inputs that were read -> dict of NumPy arrays, by the names of `signature`."""
        raise NotImplementedError

    def gather(self, parts):
        """A list of parts that were read -> dict of NumPy arrays, by the names of `chunks`."""
        return self.batch(parts)

    def collate(self, items):
        """Raw inputs -> one batch: they are read, by the names "Item 0" and so on, and gathered."""
        return self.batch([self.read(item, f"Item {place}") for place, item in enumerate(items)])

    def __call__(self, batch):
        """A batch -> `Sequence` of features, each of at least one step."""
        raise NotImplementedError

    def otherwise(self, batch):
        """A batch in the form of each of the other ways in: dict of their names -> dict of NumPy arrays."""
        return {}

    def learning(self):
        """The frontend that training reads with."""
        return self

    def start(self, batch):
        """The state before anything came, for `batch` inputs, a scalar int."""
        raise NotImplementedError

    def step(self, batch, state, last):
        """A batch of what came, of which rows may be empty -> `Sequence` of the new steps, and the state.

        `last`, a bool, says that no more comes.
        """
        raise NotImplementedError


class _Layer(keras.layers.Layer):
    streams = False

    def start(self, batch):
        """The state before anything came, for `batch` inputs, a scalar int."""
        raise NotImplementedError

    def get_config(self):
        raise NotImplementedError(
            f"{type(self).__name__} is saved with its pipeline: call pipe.save(directory), or pipe.model.save_weights(path)."
        )


class Encoder(_Layer):
    """Features -> states: `call(values, lengths, training=False) -> (states, lengths)`.

    Attributes:
        stride: int, steps that one state stands for.
        streams: whether it looks only backwards: then it has `start` and `step`.
    """

    stride = 1

    def frames(self, lengths):
        """The lengths of the states of features of `lengths` steps."""
        return -(-lengths // self.stride)

    def encode(self, sequence, training=False):
        """`Sequence` of features -> `Sequence` of states; a state has the span of the steps that it stands for."""
        states, lengths = self(sequence.values, sequence.lengths, training=training)
        spans = sequence.spans
        if self.stride > 1:
            steps = tf.shape(spans)[1]
            first = tf.range(0, steps, self.stride)[None]
            last = tf.minimum(first + self.stride, tf.maximum(sequence.lengths, 1)[:, None]) - 1
            first = tf.minimum(first, last)
            begins, ends = (tf.gather(spans[..., side], at, batch_dims=1) for side, at in ((0, first), (1, last)))
            spans = tf.stack([begins, ends], axis=2)
        return Sequence(states, ops.cast(lengths, "int32"), spans, sequence.texts)

    def step(self, sequence, state, last):
        """`Sequence` of new features, of which rows may have none -> `Sequence` of new states, and the state."""
        raise NotImplementedError

    def inherit(self, other):
        """Takes over the weights of another encoder of the same form."""
        for weight, source in zip(self.weights, other.weights, strict=True):
            weight.assign(source)


class Head(_Layer):
    """States -> the answer: what it means, its loss and its decoding.

    `call(states, lengths, targets=None, training=False)` -> dict of outputs, and `loss(targets, outputs)` -> `(batch,)`.

    Attributes:
        monitor: the metric, higher is better, by which the best epoch is chosen; None keeps the last.
        streams: whether it looks only backwards: then it has `start` and `step`.
        disagreement: function of outputs of which the second half is the first seen otherwise -> `(batch,)`; or None.
        explain: function `(states, lengths, spans)` -> dict: `decode`, and what it rests on, step by step; or None.
        embed: function `(states, lengths, spans)` -> `{"embedding": (batch, size)}`, where inputs lie by likeness, by which a
            head can `enroll` labels; or None.
        write: function `(carried, texts)` -> the next piece of each text, which are over, and what is carried, where `begin`
            of a `Sequence` gives what is carried first; or None.
        log_prob: function `(targets, outputs)` -> `(batch,)`, how probable each target is, in nats; or None.
        asks: dict of name -> `tf.TensorSpec`: what `decode` may be asked for when it is called, such as words to look for.
        cites: whether it cites the input: `decode` takes the `texts` of its states too, and `typed` the `source`, the input as
            it was read.
    """

    monitor = None
    cites = False
    disagreement = explain = embed = log_prob = write = None
    asks = {}

    def check(self, target, name, frames):
        """Refuses a target that cannot be learnt from so many frames: a ValueError that begins with `name`."""

    def targets(self, y):
        """A list of targets -> dict of NumPy arrays, `(batch, ...)`; rows of ids are padded, and have their "lengths"."""
        raise NotImplementedError

    def asked(self, **wishes):
        """The keywords of a call -> dict of NumPy arrays, by the names of `asks`; or None where nothing is asked for."""
        if wishes:
            raise TypeError(f"There is nothing to ask a {type(self).__name__} for; received {sorted(wishes)}.")

    def decode(self, states, lengths, spans=None):
        """A `Sequence` of states -> dict of what `typed` takes, by row. Without spans, positions count states.

        Where the head `asks`, it takes `asked=None` too, a dict of tensors.
        """
        raise NotImplementedError

    def step(self, states, lengths, spans, state, last):
        """A `Sequence` of new states, of which rows may have none -> the answer, and the state.

        The answer is to all states that came, or to what is not settled yet of them: see `joined`. `last`, a bool, says that no
        more comes.
        """
        raise NotImplementedError

    def joined(self, before, row):
        """One row of `step`, as NumPy has it, behind what this gave for the step before (None at first) -> one for all that
        came."""
        return row

    def unfinished(self, answer):
        """An answer as it is given while more comes."""
        return answer

    def typed(self, **row):
        """One row of `decode`, as NumPy has it -> the answer, a dataclass."""
        raise NotImplementedError

    def stitched(self, answers, begins):
        """Answers to the pieces of an input, which may overlap, and where these begin -> the answer to all of it."""
        raise NotImplementedError

    def evaluate(self, predictions, references):
        """Answers against targets -> dict of metrics."""
        raise NotImplementedError

    def calibrate(self, predictions, references):
        """Fits what a score means on held-out examples."""

    def enroll(self, label, embeddings):
        """Learns a label by the `embed` of its examples, `(examples, size)`."""
        raise NotImplementedError

    def inherit(self, other):
        """Takes over what another head of the same kind has learnt of what both name."""
        raise NotImplementedError


@dataclass(frozen=True)
class Task:
    """What a task is, as a value: one a module of `seqkit.tasks`.

    Attributes:
        name: as Hugging Face has it, where it has it.
        inputs: names of a manifest's columns that are inputs; target: that of the answer's.
        samples: raw inputs that every pipeline of the task answers; an export is checked with them.
        Config: frozen dataclass of what fixes a pipeline before it is trained; has a `seed`.
        check: `(config, target, name)`, refuses a target by a ValueError that begins with `name`.
        learn: `(config, examples) -> assets`, dict of file name -> bytes: what must be known before there are weights.
        build: `(config, assets) -> (frontend, encoder, head)`.
        aliases: other names.
        augment: `config -> (function (features, lengths, seed, views=1) -> (features, lengths)`, in graph): what varies
            what training shows; or None.
        relearn: `(config, assets, examples, vocabulary) -> (config, assets)` for going on with other labels or characters,
            `vocabulary` being "union" or "new"; or None.
        pretraining_head: `(config, encoder) -> Head` that teaches the encoder from bare inputs; or None.
        usual: `config -> dict` of the two columns -> other names that they go by; or None.
    """

    name: str
    inputs: tuple
    target: str
    samples: tuple
    Config: type
    check: Callable
    learn: Callable
    build: Callable
    aliases: tuple = ()
    augment: Callable | None = None
    relearn: Callable | None = None
    pretraining_head: Callable | None = None
    usual: Callable | None = None

    def needs(self, capability, what):
        """Raises TypeError where a part cannot do what is asked of this task."""
        if not capability:
            raise TypeError(f"A {self.name} pipeline has no {what}.")

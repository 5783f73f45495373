"""Two pipelines, one behind the other: what is said, in another language.

Convention: the first answers with a text, the second takes it; its answer has the words of the first with their seconds. Both
are called as one, and exported as one. Left out: training, which each does by itself, and saving.
"""

import dataclasses

import tensorflow as tf

from seqkit.results import Alignment
from seqkit.serving import export


def chain(first, second):
    """Answers with one pipeline what another makes of an input.

    Args:
        first: `Pipeline` that answers with a `Transcript`, such as speech-to-text or handwriting.
        second: `Pipeline` that translates.

    Returns:
        A `Chain`: call it as `first`; it answers with `Translation`s.

    Raises:
        TypeError: they do not fit together.
    """
    if first.task.target != "text" or second.task.inputs != ("text",) or second.task.target != "translation":
        raise TypeError(
            "Expected a pipeline that answers with a text, and one that translates it; received "
            f"{first.task.name} and {second.task.name}."
        )
    return Chain(first, second)


class Chain:
    """Args:
    first, second: `Pipeline`s: see `chain`.
    """

    def __init__(self, first, second):
        self.first, self.second = first, second

    def __call__(self, inputs, batch_size=32, **wishes):
        """Answers one input, or a list: as `Pipeline.__call__` of the first, whose wishes it takes, with `Translation`s."""
        heard = self.first(inputs, batch_size=batch_size, **wishes)
        if not isinstance(heard, list):
            return _timed(self.second(heard.text), heard)
        answers = self.second([transcript.text for transcript in heard], batch_size=batch_size)
        return [_timed(answer, transcript) for answer, transcript in zip(answers, heard)]

    def answer(self, batch):
        """The answering path, in graph: a batch of the first's inputs -> the fields of the second's answer, and those of the
        first with `heard_` before their names."""
        heard = self.first.answer(batch)
        return {**self.second.answer({"text": heard["text"]}), **{f"heard_{name}": value for name, value in heard.items()}}

    def export(self, directory):
        """Writes one SavedModel of both, and checks that it answers as they do: see `export.export`."""
        frontends = tf.Module()
        frontends.first, frontends.second = self.first.frontend, self.second.frontend
        weights = _Both(self.first.model.weights + self.second.model.weights)
        return export.export(weights, frontends, self.first.signatures(self.answer), directory)


@dataclasses.dataclass(frozen=True)
class _Both:
    weights: list


def _timed(translation, heard):
    """The translation of a transcript, the words of its source where these were said."""
    ends, place = [], 0
    for word in heard.words:
        begin = heard.text.index(word.text, place)
        place = begin + len(word.text)
        ends.append((begin, place, word))
    tokens = []
    for token in translation.alignment.source:
        said = [word for begin, end, word in ends if begin < token.end and end > token.start]
        tokens.append(token._replace(start=said[0].start, end=said[-1].end) if said else token._replace(start=0.0, end=0.0))
    alignment = Alignment(tokens, translation.alignment.target, translation.alignment.weights)
    return dataclasses.replace(translation, alignment=alignment, heard=heard)

"""Streams: the answering path for inputs that come in parts, where all three parts of a pipeline look only backwards.

Convention: the state of a stream is a flat dict of tensors, a row a stream, named after the part that it belongs to; so an
export can take it and give it back, and nothing is kept on a server. Its shapes are fixed, but for places that are empty at
first: they hold what is not settled yet. A step answers by what has been read so far, which is all that came but for what a
window still waits for; `finish` answers by all of it. Where an answer has `settled`, that many of its characters are final, and
the answers to the steps to come begin behind them. Left out: what the parts carry, see `parts.py`.
"""

import numpy as np
import tensorflow as tf

from seqkit.parts import apart, together

_PARTS = ("frontend", "encoder", "head")


class Streaming:
    """Args:
    frontend, encoder, head: parts that stream.
    """

    def __init__(self, frontend, encoder, head):
        self.frontend, self.encoder, self.head = frontend, encoder, head
        self.chunks = frontend.chunks or frontend.signature
        state = self.start(1)
        self.signature = {
            name: tf.TensorSpec([None, *(size or None for size in value.shape[1:])], value.dtype, name)
            for name, value in state.items()
        }

    def start(self, count):
        """The state of so many streams, a scalar int, before anything came."""
        return together({name: getattr(self, name).start(count) for name in _PARTS})

    def step(self, batch, state):
        """A batch of what came, with the state -> the answer so far, and the next state."""
        return self._step(batch, state, last=False)

    def finish(self, state):
        """The answer to all that came, in place of the last step's."""
        count = tf.shape(next(iter(state.values())))[0]
        nothing = {
            name: tf.zeros([count, *(size or 0 for size in spec.shape[1:])], spec.dtype) for name, spec in self.chunks.items()
        }
        return self._step(nothing, state, last=True)[0]

    def _step(self, batch, state, last):
        frontend, encoder, head = apart(state, _PARTS)
        features, frontend = self.frontend.step(batch, frontend, last)
        states, encoder = self.encoder.step(features, encoder, last)
        answer, head = self.head.step(*states[:3], head, last)
        return answer, together(dict(zip(_PARTS, (frontend, encoder, head))))

    def signatures(self, batch):
        """What an export has besides its `serving_default`, in the form that `export.export` takes.

        Args:
            batch: a batch of parts to check it with.
        """
        count = {"count": np.int32(len(next(iter(batch.values()))))}
        _, state = self.step({name: tf.constant(value) for name, value in batch.items()}, self.start(count["count"]))
        state = {name: value.numpy() for name, value in state.items()}
        forms = {"count": tf.TensorSpec((), tf.int32, "count")}
        return {
            "stream_start": (lambda inputs: self.start(inputs["count"]), forms, count),
            "stream_step": (self._served, {**self.chunks, **self.signature}, {**batch, **state}),
            "stream_finish": (self.finish, self.signature, state),
        }

    def _served(self, inputs):
        batch, state = ({name: inputs[name] for name in forms} for forms in (self.chunks, self.signature))
        answer, state = self.step(batch, state)
        return {**answer, **state}

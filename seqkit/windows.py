"""Windows that slide along a sequence, over all of it at once or over what comes, some at a time.

Convention: a window has `size` steps, the next begins `hop` steps later, and the first `before` steps ahead of the sequence;
`after` steps follow its end. Around it all is zero. So a sequence of `n` steps has `(n + before + after - size) // hop + 1`
windows, each of which is the same whatever the padding, the neighbours or the parts are. What is computed of a window (a
spectrum, a convolution without padding of its own) is the caller's.
"""

from dataclasses import dataclass

from keras import ops

from seqkit.lengths import zero_padding


@dataclass(frozen=True)
class Windows:
    """Args: size, hop, before, after: int, steps; `hop` and `before` are at most `size`, `before` less."""

    size: int
    hop: int = 1
    before: int = 0
    after: int = 0

    def count(self, lengths):
        """How many windows sequences of so many steps have."""
        return ops.maximum((lengths + self.before + self.after - self.size) // self.hop + 1, 0)

    def padded(self, values):
        """`(batch, steps, ...)`, zero on padding -> with zeros around, so that what is computed of windows begins there."""
        more = [[0, 0], [self.before, self.after + self.size]] + [[0, 0]] * (len(values.shape) - 2)
        return ops.pad(values, more)

    def start(self, values):
        """The state before any step, given an empty `(batch, 0, ...)`: the steps that a window may still need, and how
        many of them the next one has."""
        batch, inner = ops.shape(values)[0], values.shape[2:]
        return {
            "kept": ops.zeros((batch, self.size - 1, *inner), values.dtype),
            "rest": ops.full((batch,), self.before, "int32"),
        }

    def step(self, values, lengths, state, last):
        """Takes what came.

        Args:
            values: `(batch, steps, ...)`.
            lengths: `(batch,)` int32, real steps; may be 0.
            state: as of `start`, or of the step before.
            last: bool, whether no more comes.

        Returns:
            `(batch, steps, ...)` whose first windows are the new ones; their number, `(batch,)` int32; and the state. What is
            computed has one window more at least, which may be none: there is a window even where nothing is new.
        """
        kept, rest = state["kept"], state["rest"]
        lengths = ops.cast(lengths, "int32")
        values = ops.concatenate([kept, zero_padding(values, lengths)], axis=1)
        reach = rest + lengths
        new = ops.maximum((reach + (self.after if last else 0) - self.size) // self.hop + 1, 0)
        steps = ops.max(ops.concatenate([new, ops.zeros((1,), "int32")])) * self.hop + self.size
        first = self.size - 1 - rest
        stretch = self._taken(values, first[:, None] + ops.arange(steps, dtype="int32"))
        left = lengths[:, None] + ops.arange(self.size - 1, dtype="int32")
        return stretch, new, {"kept": self._taken(values, left), "rest": reach - new * self.hop}

    @staticmethod
    def _taken(values, places):
        """The steps at `(batch, steps)` places, zeros beyond the end."""
        batch, end = ops.shape(values)[:2]
        inner = values.shape[2:]
        rows = ops.reshape(ops.pad(values, [[0, 0], [0, 1]] + [[0, 0]] * len(inner)), (batch * (end + 1), *inner))
        return ops.take(rows, ops.minimum(places, end) + (end + 1) * ops.arange(batch, dtype="int32")[:, None], axis=0)

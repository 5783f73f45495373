"""SimpleRNN, LSTM and GRU: drop-in for `keras.layers`, faster on a CPU.

Each is Keras's layer with its inner loop replaced: constructor, weights, config, masking, states and dropout are Keras's own,
and weights move both ways. In addition `call` takes `lengths=(batch,)` integers: a step at or after a row's length neither
changes the state nor costs a gradient, as under a mask of the true steps.

Convention: `(batch, steps, width)`. With `go_backwards=True` the outputs come in reading order, last step first, as in
Keras; padded steps are read, and ignored, before the row's last step, so each row starts from its own end.
`layer.path` says how the last call computed; `paths.py` says which paths there are and what exports need.
Left out: the loop itself (`loop.py`), the equations (`steps.py`), both directions at once (`bidirectional.py`).
"""

import keras

from seqkit.layers import inner
from seqkit.layers import lengths as rows


@keras.saving.register_keras_serializable("seqkit")
class SimpleRNN(keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` (Elman 1990), same arguments; see `LSTM` for `call`."""

    path = None

    def call(self, sequences, initial_state=None, mask=None, training=False, lengths=None):
        mask = rows.join(lengths, mask, sequences)
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        return inner.loop(self, super().inner_loop, sequences, initial_state, mask, training)


@keras.saving.register_keras_serializable("seqkit")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM` (Hochreiter and Schmidhuber 1997), same arguments.

    Call arguments:
        sequences: `(batch, steps, width)` float.
        initial_state: list of `(batch, units)`, or None for zeros.
        mask: `(batch, steps)` bool; False steps are skipped.
        training: whether dropout applies.
        lengths: `(batch,)` int, 0 <= length <= steps, the true steps of each row. With a mask, both hold.

    Returns:
        As Keras: `(batch, units)`, or `(batch, steps, units)` with `return_sequences`; with `return_state` a tuple
        that ends with the states. On padded steps the sequence repeats the last output (zeros with
        `zero_output_for_mask`, and before the first true step).

    Raises:
        ValueError: sequences not of rank 3; lengths not `(batch,)` integers, negative, or over the steps.
    """

    path = None

    def call(self, sequences, initial_state=None, mask=None, training=False, lengths=None):
        mask = rows.join(lengths, mask, sequences)
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        return inner.loop(self, super().inner_loop, sequences, initial_state, mask, training)


@keras.saving.register_keras_serializable("seqkit")
class GRU(keras.layers.GRU):
    """`keras.layers.GRU` (Cho et al. 2014), both `reset_after`, same arguments; see `LSTM` for `call`."""

    path = None

    def call(self, sequences, initial_state=None, mask=None, training=False, lengths=None):
        mask = rows.join(lengths, mask, sequences)
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        return inner.loop(self, super().inner_loop, sequences, initial_state, mask, training)

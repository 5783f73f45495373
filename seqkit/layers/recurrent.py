"""SimpleRNN, LSTM and GRU: drop-in for `keras.layers`, faster on a CPU.

Each is Keras's layer with its inner loop replaced: constructor, weights, config, masking, states and dropout are Keras's own,
and weights move both ways. In addition `call` takes `lengths=(batch,)` integers: a step at or after a row's length neither
changes the state nor costs a gradient, as under a mask of the true steps. Further keyword arguments, all off unless given,
are described at `LSTM`; Keras's own `dropout` and `recurrent_dropout` already draw one mask a sequence (variational dropout,
Gal and Ghahramani 2016).

Convention: `(batch, steps, width)`. With `go_backwards=True` the outputs come in reading order, last step first, as in
Keras; padded steps are read, and ignored, before the row's last step, so each row starts from its own end.
`layer.path` says how the last call computed (it hides Keras's attribute of that name, which only quantisation reads);
`paths.py` says which paths there are and what exports need. Left out: the loops (`loop.py`, `program.py`), the equations
(`steps.py`), both directions at once (`bidirectional.py`).
"""

import keras

from seqkit.layers import inner, options
from seqkit.layers import lengths as rows


@keras.saving.register_keras_serializable("seqkit")
class SimpleRNN(keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` (Elman 1990), same arguments and those of `LSTM`."""

    path = lengths = None
    _maybe_config_dropout_masks = inner.no_masks_yet

    def __init__(
        self, units, *args, zoneout=0.0, layer_norm=False, weight_drop=0.0, truncate=None, checkpoint_every=None, **rest
    ):
        super().__init__(units, *args, **rest)
        options.put(self, zoneout, layer_norm, weight_drop, truncate, checkpoint_every)

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape, initial_state_shape)
        options.build(self)

    def call(self, sequences, initial_state=None, mask=None, training=False, lengths=None):
        both = rows.join(lengths, mask, sequences)
        with rows.of_call([self] if lengths is not None else [], lengths, mask):
            return super().call(sequences, initial_state=initial_state, mask=both, training=training)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        return inner.loop(self, super().inner_loop, sequences, initial_state, mask, training)

    def get_config(self):
        return {**super().get_config(), **options.given(self)}


@keras.saving.register_keras_serializable("seqkit")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM` (Hochreiter and Schmidhuber 1997), same arguments, and by keyword:

    Args:
        zoneout: share of the units, 0 <= zoneout < 1, that keep their state at a step, drawn for every step (Krueger et
            al. 2017). When not training, states are mixed in that share.
        layer_norm: layer normalisation of both projections and of the cell state (Ba, Kiros and Hinton 2016). Adds the
            weights `norm_gains` and, in an LSTM, `norm_state`.
        weight_drop: share of the recurrent weights, 0 <= weight_drop < 1, dropped for a whole call (Merity, Keskar and
            Socher 2018).
        truncate: steps after which gradients stop; states go on (truncated backpropagation). Bounds memory.
        checkpoint_every: steps a chunk; all but one chunk's working set is computed again for the gradient, which is
            exact. Memory grows with steps / checkpoint_every + checkpoint_every.

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
        ValueError: sequences not of rank 3; lengths not `(batch,)` integers, negative, or over the steps; a share outside
            [0, 1); `truncate` together with `checkpoint_every`.
    """

    path = lengths = None
    _maybe_config_dropout_masks = inner.no_masks_yet

    def __init__(
        self, units, *args, zoneout=0.0, layer_norm=False, weight_drop=0.0, truncate=None, checkpoint_every=None, **rest
    ):
        super().__init__(units, *args, **rest)
        options.put(self, zoneout, layer_norm, weight_drop, truncate, checkpoint_every)

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape, initial_state_shape)
        options.build(self)

    def call(self, sequences, initial_state=None, mask=None, training=False, lengths=None):
        both = rows.join(lengths, mask, sequences)
        with rows.of_call([self] if lengths is not None else [], lengths, mask):
            return super().call(sequences, initial_state=initial_state, mask=both, training=training)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        return inner.loop(self, super().inner_loop, sequences, initial_state, mask, training)

    def get_config(self):
        return {**super().get_config(), **options.given(self)}


@keras.saving.register_keras_serializable("seqkit")
class GRU(keras.layers.GRU):
    """`keras.layers.GRU` (Cho et al. 2014), both `reset_after`, same arguments and those of `LSTM`.

    `layer_norm` needs `reset_after=True`.
    """

    path = lengths = None
    _maybe_config_dropout_masks = inner.no_masks_yet

    def __init__(
        self, units, *args, zoneout=0.0, layer_norm=False, weight_drop=0.0, truncate=None, checkpoint_every=None, **rest
    ):
        super().__init__(units, *args, **rest)
        options.put(self, zoneout, layer_norm, weight_drop, truncate, checkpoint_every)

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape, initial_state_shape)
        options.build(self)

    def call(self, sequences, initial_state=None, mask=None, training=False, lengths=None):
        both = rows.join(lengths, mask, sequences)
        with rows.of_call([self] if lengths is not None else [], lengths, mask):
            return super().call(sequences, initial_state=initial_state, mask=both, training=training)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        return inner.loop(self, super().inner_loop, sequences, initial_state, mask, training)

    def get_config(self):
        return {**super().get_config(), **options.given(self)}

"""SimpleRNN, LSTM and GRU: drop-in for `keras.layers`, faster on a CPU.

Each is Keras's layer with its inner loop replaced: constructor, weights, config, masking, states and dropout are Keras's own,
and weights move both ways. In addition `call` takes `lengths=(batch,)` integers: a step at or after a row's length neither
changes the state nor costs a gradient, as under a mask of the true steps. Further keyword arguments, all off unless given,
are described at `LSTM`; an option left at its default adds neither a weight nor a config entry. Keras's own `dropout` and
`recurrent_dropout` already draw one mask a sequence (variational dropout, Gal and Ghahramani 2016).

Convention: `(batch, steps, width)`; time comes first only inside. With `go_backwards=True` the outputs come in reading order,
last step first, as in Keras; padded steps are read, and ignored, before the row's last step, so each row starts from its own
end. A call writes nothing on the layer, so that threads may share one, but for the states of `stateful=True`. Left out: which
loop runs (`paths.py`), the loops (`loop.py`), the equations (`steps.py`), both directions at once (`bidirectional.py`).
"""

import contextlib
import functools

import keras
from keras import ops

from seqkit.layers import lengths as known
from seqkit.layers import paths, steps

OPTIONS = {"zoneout": 0.0, "layer_norm": False, "weight_drop": 0.0, "truncate": None, "checkpoint_every": None}


def _with_lengths(layer):
    """Give a subclass of Keras's SimpleRNN, LSTM or GRU what is added to all three: options, lengths and another loop."""
    keras_layer = layer.__base__

    def __init__(
        self, units, *args, zoneout=0.0, layer_norm=False, weight_drop=0.0, truncate=None, checkpoint_every=None, **rest
    ):
        keras_layer.__init__(self, units, *args, **rest)
        self.zoneout, self.layer_norm, self.weight_drop = zoneout, layer_norm, weight_drop
        self.truncate, self.checkpoint_every = truncate, checkpoint_every
        self.norm_gains = self.norm_state = None
        _check(self)

    def build(self, sequences_shape, initial_state_shape=None):
        with _buildable(self.cell):
            keras_layer.build(self, sequences_shape, initial_state_shape)
        self.norm_gains, self.norm_state = _norms(self)

    def call(self, sequences, initial_state=None, mask=None, training=False, lengths=None, sequences_mask=None):
        rows = known.rows(lengths, sequences_mask if mask is None else mask, sequences)
        return keras_layer.call(self, sequences, initial_state=initial_state, mask=rows, training=training)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        theirs = functools.partial(keras_layer.inner_loop, self)
        return _loop(self, theirs, sequences, initial_state, mask or known.Rows(None), training)

    def get_config(self):
        given = {name: getattr(self, name) for name, default in OPTIONS.items() if getattr(self, name) != default}
        return {**keras_layer.get_config(self), **given}

    def _maybe_config_dropout_masks(self, *_):
        """In place of Keras's, which draws masks when not training too, so that an answer would move the random state and an
        export hold it, and which keeps them on the cell, which threads share. `_loop` draws its own."""

    for method in (__init__, build, call, inner_loop, get_config, _maybe_config_dropout_masks):
        method.__qualname__ = f"{layer.__qualname__}.{method.__name__}"
        setattr(layer, method.__name__, method)
    layer._maybe_reset_dropout_masks = _maybe_config_dropout_masks
    return layer


@keras.saving.register_keras_serializable("seqkit")
@_with_lengths
class SimpleRNN(keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` (Elman 1990), same arguments and those of `LSTM`."""


@keras.saving.register_keras_serializable("seqkit")
@_with_lengths
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
        training: whether dropout applies. It also keeps what the gradient needs: a gradient taken without it is the same, at
            one more forward pass.
        lengths: `(batch,)` int, 0 <= length <= steps, the true steps of each row. With a mask, both hold.
        sequences_mask: filled in by Keras with the mask that sequences carry, where a call has lengths or initial states too:
            there Keras's own layers lose it.

    Returns:
        As Keras: `(batch, units)`, or `(batch, steps, units)` with `return_sequences`; with `return_state` a tuple
        that ends with the states. On padded steps the sequence repeats the last output (zeros with
        `zero_output_for_mask`, and before the first true step).

    Raises:
        ValueError: sequences not of rank 3; lengths not `(batch,)` integers, negative, or over the steps; a share outside
            [0, 1); `truncate` together with `checkpoint_every`.
    """


@keras.saving.register_keras_serializable("seqkit")
@_with_lengths
class GRU(keras.layers.GRU):
    """`keras.layers.GRU` (Cho et al. 2014), both `reset_after`, same arguments and those of `LSTM`.

    `layer_norm` needs `reset_after=True`.
    """


def _check(layer):
    """Refuse options that mean nothing."""
    for name in ("zoneout", "weight_drop"):
        share = getattr(layer, name)
        if not 0 <= share < 1:
            raise ValueError(f"{name} must be a share, 0 <= {name} < 1. Received: {name}={share}")
    for name in ("truncate", "checkpoint_every"):
        count = getattr(layer, name)
        if count is not None and (not isinstance(count, int) or count < 1):
            raise ValueError(f"{name} must be a number of steps, at least 1, or None. Received: {name}={count}")
    truncate, checkpoint_every = layer.truncate, layer.checkpoint_every
    if (truncate or checkpoint_every) and keras.backend.backend() != "tensorflow":
        raise ValueError(f"truncate and checkpoint_every need the TensorFlow backend. Received: {keras.backend.backend()}")
    if truncate and checkpoint_every:
        received = f"Received: truncate={truncate}, checkpoint_every={checkpoint_every}"
        raise ValueError(f"truncate bounds memory by itself: give it or checkpoint_every, not both. {received}")
    if layer.layer_norm and not getattr(layer, "reset_after", True):
        raise ValueError("layer_norm needs reset_after=True. Received: layer_norm=True, reset_after=False")


@contextlib.contextmanager
def _buildable(cell):
    """Draw the recurrent weights of a bfloat16 cell in float32: TensorFlow has no orthogonal ones in bfloat16."""
    given = cell.recurrent_initializer
    if cell.variable_dtype == "bfloat16":
        cell.recurrent_initializer = lambda shape, dtype=None: ops.cast(given(shape, dtype="float32"), dtype)
    try:
        yield
    finally:
        cell.recurrent_initializer = given


def _norms(layer):
    """The weights of layer normalisation, `(gains, those of an LSTM's cell state)`, None where there are none."""
    if not layer.layer_norm:
        return None, None
    cell = layer.cell
    gains = layer.add_weight(shape=(2, cell.recurrent_kernel.shape[1]), initializer="ones", name="norm_gains")
    if not isinstance(layer, keras.layers.LSTM):
        return gains, None

    def gain_one_shift_zero(shape, dtype=None):
        return ops.concatenate([ops.ones((1, shape[1]), dtype), ops.zeros((1, shape[1]), dtype)])

    return gains, layer.add_weight(shape=(2, cell.units), initializer=gain_one_shift_zero, name="norm_state")


def _loop(layer, theirs, sequences, initial_state, rows, training):
    """`RNN.inner_loop` of `layer`: choose a path, prepare the cell's weights, run, answer as Keras's own, `theirs`, does.

    Returns:
        `(last output, outputs, states)`.
    """
    path, cell, mask, backwards = paths.choose(layer, sequences, training), layer.cell, rows.mask, layer.go_backwards
    if path in ("keras", "cudnn"):
        run = _cudnn if path == "cudnn" else _kerass
        return run(layer, theirs, sequences, initial_state, mask, training)
    sequences = ops.cast(sequences, cell.compute_dtype)  # which a policy by path may have set apart from the layer's
    states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
    dropped = bool(training) and 0 < cell.recurrent_dropout < 1
    masks = _drawn(cell, sequences[:, 0, :], cell.dropout) if training and 0 < cell.dropout < 1 else []
    constants = _drawn(cell, states[0], cell.recurrent_dropout) if dropped else []
    # Transposed before they are projected: four times less to move.
    x = ops.transpose(sequences, [1, 0, 2])
    keep = None if mask is None else ops.logical_not(ops.transpose(ops.cast(mask, "bool"))[:, :, None])
    if layer.zoneout:
        keep = _zoned(layer, x, keep, len(states), training)
    step, weights = _step(layer, dropped), _weights(layer, dropped, training)
    run = functools.partial(paths.runner(path, bool(training)), step)
    if path == "watched":
        outputs, last, every = run(x, states, keep, constants, masks, weights, backwards, layer.truncate)
        real = ops.ones(x.shape[:2], "bool") if keep is None else ops.min(ops.cast(keep, "float32"), axis=-1) < 1
        paths.keep(paths.Record(cell.recurrent_kernel.path.rpartition("/")[0], every, real, backwards))
    elif layer.truncate or layer.checkpoint_every:
        from seqkit.layers import chunks

        size, carried = layer.truncate or layer.checkpoint_every, layer.truncate is None
        outputs, last = chunks.run(run, step, x, states, keep, constants, masks, weights, backwards, size, carried)
    elif path == "fused" and rows.lengths is not None and _worth_groups(layer, x):
        from seqkit.layers import ragged

        outputs, last = ragged.run(run, x, states, rows.lengths, constants, masks, weights, backwards)
    else:
        outputs, last = run(x, states, keep, constants, masks, weights, backwards)
    return _as_keras(layer, ops.transpose(outputs, [1, 0, 2]), list(last), mask)


def _worth_groups(layer, x):
    """Whether rows of a ragged batch are many enough to run in groups, and nothing is drawn for every step of every row."""
    many = x.shape[1] is None or x.shape[1] >= 16
    return many and not layer.zoneout and not paths.inside_program()


def _drawn(cell, like, rate):
    """Dropout masks as Keras's cells draw them: one, or with `implementation=1` one a gate."""
    count = getattr(cell, "dropout_mask_count", None) or 1
    return [keras.random.dropout(ops.ones_like(like), rate, seed=cell.seed_generator) for _ in range(count)]


def _step(layer, dropped):
    cell, normalised = layer.cell, layer.layer_norm
    if isinstance(layer, keras.layers.SimpleRNN):
        return steps.simple_rnn(cell.activation, dropped, normalised)
    if isinstance(layer, keras.layers.LSTM):
        return steps.lstm(cell.activation, cell.recurrent_activation, dropped, normalised)
    return steps.gru(cell.activation, cell.recurrent_activation, cell.reset_after, dropped, normalised)


def _weights(layer, dropped, training):
    """(kernel, input bias or None, input gain or None, [step parameters], [recurrent matrices], [their biases or None])."""
    cell = layer.cell

    def read(variable):
        return ops.convert_to_tensor(variable, cell.compute_dtype)

    kernel, matrix = read(cell.kernel), read(cell.recurrent_kernel)
    bias, recurrent = None if cell.bias is None else read(cell.bias), None
    if bias is not None and len(bias.shape) == 2:
        bias, recurrent = bias[0], bias[1]
    if training and layer.weight_drop:
        matrix = keras.random.dropout(matrix, layer.weight_drop, seed=cell.seed_generator)
    gain, parameters = None, []
    if layer.layer_norm:
        gains = read(layer.norm_gains)
        shift = ops.zeros_like(gains[1]) if recurrent is None else recurrent
        gain, parameters, recurrent = gains[0], [gains[1], shift], None
        if layer.norm_state is not None:
            parameters += list(ops.unstack(read(layer.norm_state)))
    count = matrix.shape[1] // cell.units
    if dropped and count > 1:
        biases = [None] * count if recurrent is None else list(ops.split(recurrent, count))
        return kernel, bias, gain, parameters, list(ops.split(matrix, count, axis=1)), biases
    if isinstance(layer, keras.layers.GRU) and not cell.reset_after:
        return kernel, bias, gain, parameters, [matrix[:, : 2 * cell.units], matrix[:, 2 * cell.units :]], [None, None]
    return kernel, bias, gain, parameters, [matrix], [recurrent]


def _zoned(layer, x, keep, count, training):
    """Zoneout (Krueger et al. 2017): units that keep their state, drawn for every step; their expectation when not training."""
    shape = (*ops.shape(x)[:2], count * layer.cell.units)
    if training:
        zones = keras.random.uniform(shape, dtype=x.dtype, seed=layer.cell.seed_generator) < layer.zoneout
        zones = ops.cast(zones, x.dtype)
    else:
        zones = ops.ones(shape, dtype=x.dtype) * layer.zoneout
    return zones if keep is None else ops.maximum(zones, ops.cast(keep, x.dtype))


def _kerass(layer, theirs, sequences, initial_state, mask, training):
    """Keras's own loop, which reads dropout masks off the cell."""
    if not training:
        return theirs(sequences, initial_state, mask, training=training)
    keras.layers.RNN._maybe_config_dropout_masks(layer, layer.cell, sequences[:, 0, :], initial_state)
    try:
        return theirs(sequences, initial_state, mask, training=training)
    finally:
        keras.layers.RNN._maybe_reset_dropout_masks(layer, layer.cell)


def _cudnn(layer, theirs, sequences, initial_state, mask, training):
    """Keras's own path on a GPU; where cuDNN answers otherwise than every other path, on padding, it is put right.

    cuDNN refuses rows without a true step: those read one, and what they read is thrown away.
    """
    if mask is None:
        return _kerass(layer, theirs, sequences, initial_state, mask, training)
    mask = ops.cast(mask, "bool")
    some = ops.any(mask, axis=1, keepdims=True)
    first = ops.arange(ops.shape(mask)[1])[None, :] == 0
    last, outputs, states = _kerass(layer, theirs, sequences, initial_state, mask | (first & ~some), training)
    starts = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
    states = [ops.where(some, s, start) for s, start in zip(states, starts)]
    if layer.return_sequences and not (layer.zero_output_for_mask or layer.go_backwards):
        outputs = ops.where(mask[:, :, None], outputs, states[0][:, None, :])
    outputs = ops.where(some[:, :, None], outputs, ops.zeros_like(outputs))
    return ops.where(some, last, ops.zeros_like(last)), outputs, states


def _as_keras(layer, outputs, states, mask):
    """Keras's order, padding and last output.

    The loop's output on a padded step is the state carried over it. Keras's is the last output instead, which before
    the first true step is zero and not the initial state; or zero everywhere, with `zero_output_for_mask`.
    """
    if mask is not None:
        seen = ops.cast(mask, "int32")
        if not layer.zero_output_for_mask:
            seen = ops.cumsum(ops.flip(seen, 1) if layer.go_backwards else seen, axis=1)
            seen = ops.flip(seen, 1) if layer.go_backwards else seen
        outputs = ops.where(seen[:, :, None] > 0, outputs, ops.zeros_like(outputs))
    if layer.go_backwards:
        outputs = ops.flip(outputs, axis=1)
    last = outputs[:, -1] if mask is not None else states[0]
    return last, outputs, states

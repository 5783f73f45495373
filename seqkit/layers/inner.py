"""The inner loop of the recurrent layers: choose a path, prepare the cell's weights, run, answer as Keras does.

Convention: takes and returns what `keras.layers.RNN.inner_loop` does, `(last output, outputs, states)`; time comes first
only inside. Left out: the loops (`program.py`), the equations (`steps.py`), the public layers (`recurrent.py`).
"""

import keras
from keras import ops

from seqkit.layers import paths, program, steps


def no_masks_yet(layer, cell, sequence, state):
    """In place of `RNN._maybe_config_dropout_masks`, which draws them when not training too: then an answer would move the
    random state, and an export hold it. `loop` has them drawn where they are read."""


def loop(layer, kerass, sequences, initial_state, mask, training):
    """`RNN.inner_loop` of `layer`, whose own is `kerass`. Sets `layer.path`.

    `layer.lengths` holds the lengths of the call that goes on, where the mask says no more than they do.
    """
    if isinstance(mask, (list, tuple)):
        mask = mask[0]
    layer.path = choose(layer, sequences, training)
    if layer.path == "keras":
        keras.layers.RNN._maybe_config_dropout_masks(layer, layer.cell, sequences[:, 0, :], initial_state)
        return kerass(sequences, initial_state, mask, training=training)
    if layer.path == "cudnn":
        return _cudnn(layer, kerass, sequences, initial_state, mask, training)
    states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
    cell, backwards = layer.cell, layer.go_backwards
    dropped = bool(training) and 0 < cell.recurrent_dropout < 1
    masks = _listed(cell.get_dropout_mask(sequences[:, 0, :])) if training and 0 < cell.dropout < 1 else []
    constants = _listed(cell.get_recurrent_dropout_mask(states[0])) if dropped else []
    step = _step(layer, dropped)
    run = {"fused": program.compiled, "graph": program.plain, "scan": program.scan}.get(layer.path)

    def piece(x, keep, states, constants, masks, weights):
        return run(step, x, states, keep, constants, masks, weights, backwards)

    # Transposed before they are projected: four times less to move.
    x = ops.transpose(sequences, [1, 0, 2])
    keep = None if mask is None else ops.logical_not(ops.transpose(ops.cast(mask, "bool"))[:, :, None])
    if layer.zoneout:
        keep = _zoned(layer, x, keep, len(states), training)
    weights = _weights(layer, dropped, training)
    size = layer.truncate or layer.checkpoint_every
    if layer.path == "watched":
        outputs, last, every = program.watched(step, x, states, keep, constants, masks, weights, backwards, layer.truncate)
        real = ops.ones(x.shape[:2], "bool") if keep is None else ops.min(ops.cast(keep, "float32"), axis=-1) < 1
        paths.keep(paths.Record(layer.cell.recurrent_kernel.path.rpartition("/")[0], every, real, backwards))
    elif size:
        from seqkit.layers import chunks

        def chunk(x, keep, states, weights):
            return piece(x, keep, states, constants, masks, weights)

        outputs, last = chunks.run(chunk, x, keep, states, weights, size, backwards, carried=layer.truncate is None)
    elif layer.path == "fused" and layer.lengths is not None and _worth_groups(layer, x):
        from seqkit.layers import ragged

        outputs, last = ragged.run(piece, x, states, layer.lengths, constants, masks, weights, backwards)
    else:
        outputs, last = piece(x, keep, states, constants, masks, weights)
    return _as_keras(layer, ops.transpose(outputs, [1, 0, 2]), list(last), mask)


def _worth_groups(layer, x):
    """Whether rows of a ragged batch are many enough to run in groups, and nothing is drawn for every step of every row."""
    many = x.shape[1] is None or x.shape[1] >= 16
    return many and not layer.zoneout and not paths.inside_program()


def choose(layer, sequences, training):
    """The path of one call, by backend, device, arguments and whether shapes are known."""
    more = layer.zoneout or layer.layer_norm or layer.weight_drop
    if keras.backend.backend() != "tensorflow":
        return "scan" if more else "keras"
    held = paths.held()
    if held is not None:
        return held
    if layer.unroll and not more:
        return "keras"
    import tensorflow as tf

    if tf.config.list_logical_devices("TPU"):
        return "scan"
    if tf.config.list_logical_devices("GPU") and not (more or layer.truncate or layer.checkpoint_every):
        return "cudnn"
    known = None not in tuple(sequences.shape)
    return "fused" if known or training else "graph"


def _listed(masks):
    return masks if isinstance(masks, list) else [masks]


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
    kernel, matrix = ops.convert_to_tensor(cell.kernel), ops.convert_to_tensor(cell.recurrent_kernel)
    bias, recurrent = None if cell.bias is None else ops.convert_to_tensor(cell.bias), None
    if bias is not None and len(bias.shape) == 2:
        bias, recurrent = bias[0], bias[1]
    if training and layer.weight_drop:
        matrix = keras.random.dropout(matrix, layer.weight_drop, seed=cell.seed_generator)
    gain, parameters = None, []
    if layer.layer_norm:
        gains = ops.convert_to_tensor(layer.norm_gains)
        shift = ops.zeros_like(gains[1]) if recurrent is None else recurrent
        gain, parameters, recurrent = gains[0], [gains[1], shift], None
        if layer.norm_state is not None:
            parameters += [ops.convert_to_tensor(layer.norm_state)[0], ops.convert_to_tensor(layer.norm_state)[1]]
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


def _cudnn(layer, kerass, sequences, initial_state, mask, training):
    """Keras's own path on a GPU; where cuDNN answers otherwise than every other path, on padding, it is put right.

    cuDNN refuses rows without a true step: those read one, and what they read is thrown away.
    """
    if mask is None:
        return kerass(sequences, initial_state, mask, training=training)
    mask = ops.cast(mask, "bool")
    some = ops.any(mask, axis=1, keepdims=True)
    first = ops.arange(ops.shape(mask)[1])[None, :] == 0
    last, outputs, states = kerass(sequences, initial_state, mask | (first & ~some), training=training)
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

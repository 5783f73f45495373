"""The inner loop of the recurrent layers: choose a path, prepare the cell's weights, run, answer as Keras does.

Convention: takes and returns what `keras.layers.RNN.inner_loop` does, `(last output, outputs, states)`.
Left out: the loop (`loop.py`), the equations (`steps.py`), validation and the public layers (`recurrent.py`).
"""

import keras
from keras import ops

from seqkit.layers import paths


def loop(layer, kerass, sequences, initial_state, mask, training):
    """`RNN.inner_loop` of `layer`, whose own is `kerass`. Sets `layer.path`."""
    if isinstance(mask, (list, tuple)):
        mask = mask[0]
    layer.path = choose(layer, sequences, training)
    if layer.path in ("keras", "cudnn"):
        return kerass(sequences, initial_state, mask, training=training)
    states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
    cell = layer.cell
    # Transposed before they are projected: four times less to move.
    x = _projected(cell, ops.transpose(sequences, [1, 0, 2]), training)
    dropped = bool(training) and 0 < cell.recurrent_dropout < 1
    constants = _listed(cell.get_recurrent_dropout_mask(states[0])) if dropped else []
    step, matrices, biases = _recurrence(layer, dropped)
    seen = None if mask is None else ops.transpose(ops.cast(mask, "bool"))[:, :, None]
    from seqkit.layers import program

    run = program.compiled if layer.path == "fused" else program.plain
    outputs, last = run(step, x, states, seen, constants, matrices, biases, layer.go_backwards)
    return _as_keras(layer, ops.transpose(outputs, [1, 0, 2]), list(last), mask)


def choose(layer, sequences, training):
    """The path of one call, by backend, device, arguments and whether shapes are known."""
    if keras.backend.backend() != "tensorflow" or layer.unroll:
        return "keras"
    held = paths.held()
    if held is not None:
        return held
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return "cudnn"
    known = None not in tuple(sequences.shape)
    return "fused" if known or training else "graph"


def _projected(cell, sequences, training):
    """Inputs of all gates at all steps, `(steps, batch, gates * units)`; input dropout as the cell's own."""
    kernel = ops.convert_to_tensor(cell.kernel)
    bias = cell.bias
    if bias is not None:
        bias = ops.convert_to_tensor(bias)
        bias = bias[0] if len(bias.shape) == 2 else bias
    if training and 0 < cell.dropout < 1:
        masks = _listed(cell.get_dropout_mask(sequences[0]))
        kernels = ops.split(kernel, len(masks), axis=1)
        x = ops.concatenate([ops.matmul(sequences * m, k) for m, k in zip(masks, kernels)], axis=-1)
    else:
        x = ops.matmul(sequences, kernel)
    return x if bias is None else x + bias


def _listed(masks):
    return masks if isinstance(masks, list) else [masks]


def _recurrence(layer, dropped):
    """The layer's `Step`, its recurrent matrices and their biases."""
    from seqkit.layers import steps

    cell = layer.cell
    matrix = ops.convert_to_tensor(cell.recurrent_kernel)
    if isinstance(layer, keras.layers.SimpleRNN):
        return steps.simple_rnn(cell.activation, dropped), [matrix], [None]
    if isinstance(layer, keras.layers.LSTM):
        step = steps.lstm(cell.activation, cell.recurrent_activation, dropped)
        matrices = ops.split(matrix, 4, axis=1) if dropped else [matrix]
        return step, matrices, [None] * len(matrices)
    step = steps.gru(cell.activation, cell.recurrent_activation, cell.reset_after, dropped)
    bias = ops.convert_to_tensor(cell.bias)[1] if cell.reset_after and cell.bias is not None else None
    if dropped:
        return step, ops.split(matrix, 3, axis=1), [None] * 3 if bias is None else ops.split(bias, 3)
    if cell.reset_after:
        return step, [matrix], [bias]
    return step, [matrix[:, : 2 * cell.units], matrix[:, 2 * cell.units :]], [None, None]


def _as_keras(layer, outputs, states, mask):
    """Keras's order, padding and last output.

    The loop's output on a padded step is the state carried over it. Keras's is the last output instead, which before
    the first true step is zero and not the initial state; or zero everywhere, with `zero_output_for_mask`.
    """
    if mask is not None:
        seen = ops.cast(mask, "bool")
        if not layer.zero_output_for_mask:
            import tensorflow as tf

            seen = tf.cumsum(tf.cast(seen, "int32"), axis=1, reverse=layer.go_backwards) > 0
        outputs = ops.where(seen[:, :, None], outputs, ops.zeros_like(outputs))
    if layer.go_backwards:
        outputs = ops.flip(outputs, axis=1)
    last = outputs[:, -1] if mask is not None else states[0]
    return last, outputs, states

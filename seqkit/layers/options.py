"""What the recurrent layers take beyond Keras's arguments: checked, built, and written into their config.

Convention: an option left at its default adds neither a weight nor a config entry, so that config and weights are Keras's.
Left out: what the options do (`inner.py`, `steps.py`, `chunks.py`) and mean (`LSTM` in `recurrent.py`).
"""

import keras

DEFAULTS = {"zoneout": 0.0, "layer_norm": False, "weight_drop": 0.0, "truncate": None, "checkpoint_every": None}


def put(layer, zoneout, layer_norm, weight_drop, truncate, checkpoint_every):
    """Check the options and set them on the layer. Raises ValueError."""
    for name, share in (("zoneout", zoneout), ("weight_drop", weight_drop)):
        if not 0 <= share < 1:
            raise ValueError(f"{name} must be a share, 0 <= {name} < 1. Received: {name}={share}")
    for name, steps in (("truncate", truncate), ("checkpoint_every", checkpoint_every)):
        if steps is not None and (not isinstance(steps, int) or steps < 1):
            raise ValueError(f"{name} must be a number of steps, at least 1, or None. Received: {name}={steps}")
    if (truncate or checkpoint_every) and keras.backend.backend() != "tensorflow":
        raise ValueError(f"truncate and checkpoint_every need the TensorFlow backend. Received: {keras.backend.backend()}")
    if truncate and checkpoint_every:
        received = f"Received: truncate={truncate}, checkpoint_every={checkpoint_every}"
        raise ValueError(f"truncate bounds memory by itself: give it or checkpoint_every, not both. {received}")
    if layer_norm and not getattr(layer, "reset_after", True):
        raise ValueError("layer_norm needs reset_after=True. Received: layer_norm=True, reset_after=False")
    layer.zoneout, layer.layer_norm, layer.weight_drop = zoneout, layer_norm, weight_drop
    layer.truncate, layer.checkpoint_every = truncate, checkpoint_every
    layer.norm_state = None


def build(layer):
    """Add the weights of layer normalisation, where asked for."""
    if not layer.layer_norm:
        return
    cell = layer.cell
    layer.norm_gains = layer.add_weight(shape=(2, cell.recurrent_kernel.shape[1]), initializer="ones", name="norm_gains")
    if isinstance(layer, keras.layers.LSTM):

        def gain_one_shift_zero(shape, dtype=None):
            return keras.ops.concatenate([keras.ops.ones((1, shape[1]), dtype), keras.ops.zeros((1, shape[1]), dtype)])

        layer.norm_state = layer.add_weight(shape=(2, cell.units), initializer=gain_one_shift_zero, name="norm_state")


def given(layer):
    """The options that are not at their defaults, for the config."""
    return {name: getattr(layer, name) for name, default in DEFAULTS.items() if getattr(layer, name) != default}

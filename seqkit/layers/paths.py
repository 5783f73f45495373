"""Which way a recurrent layer computes, how to hold it to one, and how to see which it took.

    fused   the loop of `loop.py`, compiled by XLA: training, and answering where shapes are known
    graph   the same loop as plain TensorFlow ops: inference traced with unknown shapes, every export, TPUs
    cudnn   a GPU, through Keras
    scan    `keras.ops.scan`, differentiated by the backend: other backends, for arguments that Keras does not have
    keras   Keras's own loop: other backends, and `unroll=True`
    watched eager steps, one by one, whose states are kept for whoever asks for their gradients; only under `watched()`

The export contract: a graph that leaves this process must hold no XLA and no cuDNN. Inference traced with an unknown batch or
unknown steps has none; with all shapes known, tracing while an export is written (`model.export`, `ExportArchive.write_out`,
`tf.saved_model.save`) is noticed and takes "graph" by itself. Whoever traces a `tf.function` with known shapes that is exported
*later* does it under `with portable():`, since what was traced is not traced again.

Convention: what is held or seen belongs to the thread that called `only`, `watched` or `taken`. Left out: `loop.py`.
"""

import contextlib
import contextvars
import functools
import sys
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from seqkit.layers.steps import products, projected

_held = contextvars.ContextVar("seqkit_recurrent_path", default=None)
_seen = contextvars.ContextVar("seqkit_recurrent_states", default=None)
_taken = contextvars.ContextVar("seqkit_recurrent_paths_taken", default=None)


def choose(layer, sequences, training):
    """The path of one call: the first of the table whose condition holds."""
    more = layer.zoneout or layer.layer_norm or layer.weight_drop
    plain = not (more or layer.truncate or layer.checkpoint_every)
    held = _held.get()
    known = None not in tuple(sequences.shape)
    table = (
        ("scan", lambda: keras.backend.backend() != "tensorflow" and more),
        ("keras", lambda: keras.backend.backend() != "tensorflow"),
        (held, lambda: held is not None),
        ("keras", lambda: layer.unroll and not more),
        ("graph", lambda: _devices("TPU")),
        ("graph", lambda: known and not training and _exporting()),
        ("cudnn", lambda: plain and _devices("GPU")),
        ("fused", lambda: known or training),
        ("graph", lambda: True),
    )
    path = next(path for path, holds in table if holds())
    if (taken := _taken.get()) is not None:
        taken.append(path)
    return path


@dataclass(frozen=True)
class Record:
    """What one recurrent layer did under `watched()`.

    Attributes:
        name: the layer's path.
        states: list of its first state after each step, `(batch, units)`, in the order of time.
        real: `(steps, batch)` bool, which of them are not on padding.
        backwards: whether it read from the last step to the first.
    """

    name: str
    states: list
    real: Any
    backwards: bool


def only(path):
    """Hold every recurrent layer called or traced inside to one path: "fused", "graph", "cudnn", "scan" or "keras"."""
    known = ("fused", "graph", "cudnn", "scan", "keras")
    if path not in known:
        raise ValueError(f"Unknown path. Expected one of {known}. Received: {path!r}")
    return _put(_held, path)


def portable():
    """Trace for other machines: core TensorFlow ops only, no XLA, no cuDNN. A context manager."""
    return only("graph")


def taken():
    """See which path each call takes: a context manager whose list of paths fills up, one a layer and direction."""
    return _put(_taken, [])


@contextlib.contextmanager
def watched():
    """Run recurrent layers slowly, in eager TensorFlow, and keep every state: yields a list of `Record`s that fills up.

    A tape that records the call also has the total derivative of what comes of it with respect to each of these states.
    """
    with _put(_held, "watched"), _put(_seen, []) as records:
        yield records


def keep(record):
    """Add a record to those of `watched()`."""
    _seen.get().append(record)


@contextlib.contextmanager
def _put(variable, value):
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


def scan(step, x, states, keep, constants, masks, weights, reverse):
    """The recurrence as one scan, on any backend: arguments and answers as of `loop.plain`."""
    kernel, bias, gain, parameters, matrices, biases = weights
    x, constants = projected(x, masks, kernel, bias, gain), [*constants, *parameters]

    def advance(states, now):
        x_t, keep_t = now
        new = step.advance(x_t, products(step, x_t, states, constants, matrices, biases), states, constants)
        shares = ops.split(keep_t, len(new), -1) if keep_t.shape[-1] > 1 else [keep_t] * len(new)
        new = [k * s + (1 - k) * n for k, n, s in zip(shares, new, states)]
        return new, new

    if keep is None:
        keep = ops.zeros_like(x[:, :, :1])
    last, every = ops.scan(advance, list(states), [x, ops.cast(keep, x.dtype)], length=x.shape[0], reverse=reverse)
    return every[0], list(last)


def runner(path, training):
    """The loop of a path that is not Keras's: `run(step, x, states, keep, constants, masks, weights, reverse)`."""
    if path == "scan":
        return scan
    from seqkit.layers import loop  # which other backends do not load

    return {"fused": functools.partial(loop.fused, training=training), "graph": loop.plain, "watched": loop.watched}[path]


def inside_program():
    """Whether the graph being traced is itself compiled by XLA, where no part of a batch can be shorter than the rest."""
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util  # no public name says it

    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def _devices(kind):
    import tensorflow as tf

    return bool(tf.config.list_logical_devices(kind))


def _exporting():
    """Whether an export is being traced. Keras and TensorFlow say so nowhere else than in who called."""
    import tensorflow as tf

    frame = None if tf.executing_eagerly() else sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(("keras.src.export", "tensorflow.python.saved_model")):
            return True
        frame = frame.f_back
    return False

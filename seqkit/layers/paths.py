"""Which way a recurrent layer computes, and how to hold it to one.

    fused   the loop of `loop.py`, compiled by XLA; also where steps are unknown while tracing but training: shapes are
            known when it runs, and steps are padded to few sizes so that few programs are compiled
    graph   the same loop as plain TensorFlow ops: inference with unknown shapes, and every export
    cudnn   a GPU, through Keras
    scan    `keras.ops.scan`, differentiated by the backend: TPU
    keras   Keras's own loop: other backends, and arguments no other path has (`unroll=True`)
    watched eager steps, one by one, whose states are kept for whoever asks for their gradients; only under `watched()`

The export contract: a graph that leaves this process must hold no XLA and no cuDNN. Tracing while an export is written
(`model.export`, `ExportArchive.write_out`, `tf.saved_model.save`) is noticed and takes "graph" by itself. Whoever traces a
`tf.function` that is exported *later* does it under `with portable():`, since what was traced is not traced again.

Left out: what each path computes.
"""

import contextlib
import contextvars
import sys
from dataclasses import dataclass
from typing import Any

_held = contextvars.ContextVar("seqkit_recurrent_path", default=None)
_seen = contextvars.ContextVar("seqkit_recurrent_states", default=None)


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


@contextlib.contextmanager
def only(path):
    """Hold every recurrent layer called or traced inside to one path: "fused", "graph", "cudnn", "scan" or "keras"."""
    known = ("fused", "graph", "cudnn", "scan", "keras")
    if path not in known:
        raise ValueError(f"Unknown path. Expected one of {known}. Received: {path!r}")
    with _only(path):
        yield


@contextlib.contextmanager
def _only(path):
    token = _held.set(path)
    try:
        yield
    finally:
        _held.reset(token)


@contextlib.contextmanager
def watched():
    """Run recurrent layers slowly, in eager TensorFlow, and keep every state: yields a list of `Record`s that fills up.

    A tape that records the call also has the total derivative of what comes of it with respect to each of these states.
    """
    records = []
    token = _seen.set(records)
    try:
        with _only("watched"):
            yield records
    finally:
        _seen.reset(token)


def keep(record):
    """Add a record to those of `watched()`."""
    _seen.get().append(record)


def portable():
    """Trace for other machines: core TensorFlow ops only, no XLA, no cuDNN. A context manager."""
    return only("graph")


def held():
    """The path layers are held to here, or None."""
    return _held.get() or ("graph" if _exporting() else None)


def custom_gradient(function):
    """`tf.custom_gradient`, except in an export: nobody takes gradients there, and loading would warn that it cannot."""
    import tensorflow as tf

    return (lambda *arguments: function(*arguments)[0]) if held() == "graph" else tf.custom_gradient(function)


def inside_program():
    """Whether the graph being traced is itself compiled by XLA, where no part of a batch can be shorter than the rest."""
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def _exporting():
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(("keras.src.export", "tensorflow.python.saved_model")):
            return True
        frame = frame.f_back
    return False

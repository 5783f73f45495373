"""Which way a recurrent layer computes, and how to hold it to one.

    fused   the loop of `loop.py`, compiled by XLA; also where steps are unknown while tracing but training: shapes are
            known when it runs, and steps are padded to few sizes so that few programs are compiled
    graph   the same loop as plain TensorFlow ops: inference with unknown shapes, and every export
    cudnn   a GPU, through Keras
    scan    `keras.ops.scan`, differentiated by the backend: TPU
    keras   Keras's own loop: other backends, and arguments no other path has (`unroll=True`)

The export contract: a graph that leaves this process must hold no XLA and no cuDNN. Tracing while an export is written
(`model.export`, `ExportArchive.write_out`, `tf.saved_model.save`) is noticed and takes "graph" by itself. Whoever traces a
`tf.function` that is exported *later* does it under `with portable():`, since what was traced is not traced again.

Left out: what each path computes.
"""

import contextlib
import contextvars
import sys

_held = contextvars.ContextVar("seqkit_recurrent_path", default=None)


@contextlib.contextmanager
def only(path):
    """Hold every recurrent layer called or traced inside to one path: "fused", "graph", "cudnn", "scan" or "keras"."""
    known = ("fused", "graph", "cudnn", "scan", "keras")
    if path not in known:
        raise ValueError(f"Unknown path. Expected one of {known}. Received: {path!r}")
    token = _held.set(path)
    try:
        yield
    finally:
        _held.reset(token)


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

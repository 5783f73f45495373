"""Forks: a child that `os.fork` made has TensorFlow's locks, but not the threads that would open them, and waits for ever.

Convention: whoever builds or asks a pipeline calls `check_process` first, so that it refuses at once. A process that was
spawned starts anew and is no child in this sense.
"""

import os

_first = None  # the process in which TensorFlow began to work


def check_process():
    """Raises RuntimeError in a process forked from one in which a pipeline was built: TensorFlow would hang there."""
    global _first
    _first = _first or os.getpid()
    if _first != os.getpid():
        raise RuntimeError(
            f"Process {os.getpid()} was forked after process {_first} had built a pipeline, and TensorFlow hangs in such a "
            "process. Use the spawn start method: multiprocessing.get_context('spawn'); or load the pipeline in each worker "
            "only, as gunicorn does without --preload."
        )

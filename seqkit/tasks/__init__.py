"""The tasks, by name, and how an untrained pipeline of each is made: each module has a `TASK`, which is a `parts.Task`."""

import dataclasses

from seqkit.pipe import Pipeline
from seqkit.tasks import handwriting, sentiment, speakers, speech, strokes, translation

_MODULES = (handwriting, sentiment, speakers, speech, strokes, translation)
TASKS = {module.TASK.name: module.TASK for module in _MODULES}
ALIASES = {alias: task.name for task in TASKS.values() for alias in task.aliases}


def task_named(name):
    """The task of a name or alias; ValueError for an unknown one."""
    try:
        return TASKS[ALIASES.get(name, name)]
    except KeyError:
        raise ValueError(f"Unknown task {name!r}; expected one of {sorted(TASKS)}, or of {sorted(ALIASES)}.") from None


def build(task, assets=None, **config):
    """Makes an untrained pipeline.

    Args:
        task: a task's name, such as "sentiment-analysis".
        assets: dict of file name -> bytes, such as another pipeline's `assets`, to share its vocabulary; left out,
            `fit` learns them from the examples.
        **config: fields of the task's `Config`.

    Returns:
        A `Pipeline`; call its `fit`.

    Raises:
        ValueError: no such task or field.
    """
    known = task_named(task)
    fields = [field.name for field in dataclasses.fields(known.Config)]
    unknown = sorted(set(config) - set(fields))
    if unknown:
        raise ValueError(f"{known.name} has no setting {unknown[0]!r}; expected some of {fields}.")
    # Tuples, so that a config is a value: what JSON brings back as lists compares equal to what was saved.
    config = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
    return Pipeline(known, known.Config(**config), assets)

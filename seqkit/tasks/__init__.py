"""The tasks, by name, and how an untrained pipeline of each is made.

A task is a module with `NAME`, `INPUTS` and `TARGET` (column names), `SAMPLES` (raw inputs), a frozen dataclass
`Config`, `check(config, targets)`, `learn(config, examples) -> assets`, `build(config, assets) -> (frontend, encoder, head)`
and, where training varies what it shows, `augmentation(config)`, which gives `loop.fit` its `augment`.
"""

import dataclasses

from seqkit.pipe import Pipeline
from seqkit.tasks import handwriting, sentiment, strokes

TASKS = {task.NAME: task for task in (handwriting, sentiment, strokes)}
ALIASES = {
    "handwriting": handwriting.NAME,
    "sentiment": sentiment.NAME,
    "strokes": strokes.NAME,
    "text-classification": sentiment.NAME,
}


def task_named(name):
    """The task module of a name or alias; ValueError for an unknown one."""
    try:
        return TASKS[ALIASES.get(name, name)]
    except KeyError:
        raise ValueError(f"Unknown task {name!r}; expected one of {sorted(TASKS)}.") from None


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
    module = task_named(task)
    known = [field.name for field in dataclasses.fields(module.Config)]
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise ValueError(f"{module.NAME} has no setting {unknown[0]!r}; expected some of {known}.")
    # Tuples, so that a config is a value: what JSON brings back as lists compares equal to what was saved.
    config = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
    return Pipeline(module, module.Config(**config), assets)

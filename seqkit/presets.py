"""Trained pipelines: those that ship in the package, and directories that `save` wrote.

Convention: a bundled pipeline is such a directory under `weights/`; nothing is ever downloaded.
"""

import functools
import os
from pathlib import Path

from seqkit.serving import saved
from seqkit.tasks import ALIASES, TASKS, build

_WEIGHTS = Path(__file__).parent / "weights"
DEFAULTS = {  # what a task's name alone loads
    "handwriting-recognition": "handwriting-fr",
    "sentiment-analysis": "sentiment-en",
    "stroke-recognition": "digits-strokes",
}


def models():
    """The bundled pipelines: dict of name -> directory."""
    return {path.parent.name: path.parent for path in sorted(_WEIGHTS.glob("*/config.json"))}


def pipeline(name):
    """Loads a trained pipeline.

    Args:
        name: a task ("sentiment-analysis"), for its bundled default; a bundled name ("sentiment-en"); or a directory
            that `Pipeline.save` wrote.

    Returns:
        A `Pipeline`.

    Raises:
        ValueError: there is nothing of that name, or the directory is not of a form this version reads.
    """
    bundled = models()
    directory = bundled.get(DEFAULTS.get(ALIASES.get(name, name), name), Path(name))
    if not (directory / "config.json").is_file():
        raise ValueError(
            f"There is no pipeline {os.fspath(name)!r}. Expected a task ({', '.join(sorted(TASKS))}), "
            f"a bundled name ({', '.join(bundled) or 'none'}), or a directory with a config.json."
        )
    return _load(directory)


def _load(directory):
    task, config, assets = saved.read(directory)
    try:
        pipe = build(task, assets, **config)
    except ValueError:
        raise
    except Exception as error:  # whatever a missing or damaged file makes a parser say
        raise ValueError(f"{directory}/assets does not hold what {task} needs ({type(error).__name__}: {error}).") from error
    try:
        pipe.model.load_weights(directory / "model.weights.h5")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{directory}/model.weights.h5 does not hold this pipeline's weights: {error}") from error
    return pipe


_once = functools.cache(pipeline)


def analyze_sentiment(text):
    """The sentiment of English text, by the bundled model: one `str` -> a `Label`, a list -> a list."""
    return _once("sentiment-analysis")(text)


def read_handwriting(image):
    """The text of a line of handwriting, by the bundled model: a picture (path, `PIL.Image`, bytes, array) -> a `Transcript`.

    A list of pictures gives a list. A photograph of several lines is cut by `split_lines` first.
    """
    return _once("handwriting-recognition")(image)

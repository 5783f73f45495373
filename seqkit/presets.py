"""Trained pipelines: those that ship in the package, and directories that `save` wrote.

Convention: a bundled pipeline is such a directory under `weights/`; nothing is ever downloaded. A name without a separator
may be a task's, a bundled one's or a directory's; one that is two of these is refused.
"""

import functools
import os
import threading
from pathlib import Path

from seqkit.serving import saved
from seqkit.serving.forks import check_process
from seqkit.tasks import ALIASES, build

DEFAULTS = {  # what a task's name alone loads
    "handwriting-recognition": "handwriting-fr",
    "sentiment-analysis": "sentiment-en",
    "speech-to-text": "speech-en",
    "stroke-recognition": "digits-strokes",
}
_LOADING = threading.Lock()


def pipeline(name, source=None, target=None):
    """Loads a trained pipeline.

    Args:
        name: a task ("sentiment-analysis"), for its bundled default; a bundled name ("sentiment-en"); or a directory
            that `Pipeline.save` wrote. A `Path`, or what has a separator in it ("./sentiment-en"), is always a directory.
        source, target: codes of two languages, for a task that has a bundled pipeline for each pair: "en", "de".

    Returns:
        A `Pipeline`.

    Raises:
        ValueError: there is nothing of that name, or two things are, or the directory is not of a form this version reads.
        OSError: a file cannot be read.
        RuntimeError: this process was forked from one that has a pipeline.
    """
    if source is not None or target is not None:
        name = f"{name}-{source}-{target}"
    directory, ours = Path(name), _bundled(name)
    there = (directory / "config.json").is_file()
    if ours and there:
        raise ValueError(
            f"{name!r} is a pipeline that ships with seqkit, and a directory here. "
            f"For the directory, say {os.path.join(os.curdir, name)!r}; for the other, {os.fspath(ours)!r}."
        )
    if not ours and not there:
        lacking = f"The directory {os.fspath(name)!r} has no config.json" if os.fspath(name) and directory.is_dir() else None
        raise ValueError(
            f"{lacking or f'There is no pipeline {os.fspath(name)!r}'}. Expected a task ({', '.join(sorted(DEFAULTS))}), "
            f"a bundled name ({', '.join(saved.models()) or 'none'}), or a directory with a config.json."
        )
    return _load(ours or directory)


def _bundled(name):
    """The directory of a task's default or of a bundled name; None for anything else."""
    return saved.models().get(DEFAULTS.get(ALIASES.get(name, name), name))


def _load(directory):
    check_process()
    stamp = None
    while stamp != (stamp := saved.stamp(directory)):  # once more if it was saved anew meanwhile
        try:
            loaded = _read(directory)
        except Exception as error:
            loaded = error
    if isinstance(loaded, Exception):
        raise loaded
    return loaded


class _Assets(dict):
    """A dict that says which of its files is missing, and which was the last one asked for."""

    last = None

    def __getitem__(self, name):
        self.last = name
        return super().__getitem__(name)

    def __missing__(self, name):
        raise FileNotFoundError


def _read(directory):
    task, config, assets, weights = saved.read(directory)
    assets = _Assets(assets)
    try:
        pipe = build(task, assets, **config)
    except FileNotFoundError as error:
        raise ValueError(f"{directory} cannot be loaded: assets/{assets.last} is missing.") from error
    except ImportError:  # says what to install
        raise
    except Exception as error:  # whatever a damaged file makes a parser say, or other settings make Keras say
        after = f" The last file read was assets/{assets.last}." if assets.last else ""
        raise ValueError(f"{directory} cannot be loaded ({type(error).__name__}: {error}).{after}") from error
    if not weights.is_file():
        raise ValueError(f"{directory} cannot be loaded: {weights.name} is missing.")
    try:
        pipe.model.load_weights(weights)
    except OSError as error:  # what HDF5 says of a file that is cut off
        raise ValueError(f"{weights} is damaged: it does not hold this pipeline's weights ({error}).") from error
    except (ValueError, KeyError) as error:
        raise ValueError(f"{weights} does not hold this pipeline's weights: {error}") from error
    return pipe


@functools.cache
def _kept(name):
    ours = _bundled(name)
    return _load(ours) if ours else pipeline(name)  # which says what there is


def _shared(name):
    """A bundled pipeline, which all threads share."""
    check_process()
    with _LOADING:
        return _kept(name)


def analyze_sentiment(text):
    """The sentiment of English text, by the bundled model: one `str` -> a `Label`, a list -> a list."""
    return _shared("sentiment-analysis")(text)


def transcribe(recording):
    """What is said in English, by the bundled model: a recording (path, bytes, array with its rate) -> a `Transcript`.

    A list of recordings gives a list.
    """
    return _shared("speech-to-text")(recording)


def translate(text, to="de", source="en"):
    """A text in another language, by the bundled model: one `str` -> a `Translation`, a list -> a list.

    Args:
        text: in the language of `source`.
        to, source: codes of the languages.
    """
    return _shared(f"translation-{source}-{to}")(text)


def read_handwriting(image):
    """The text of a line of handwriting, by the bundled model: a picture (path, `PIL.Image`, bytes, array) -> a `Transcript`.

    A list of pictures gives a list. A photograph of several lines is cut by `split_lines` first.
    """
    return _shared("handwriting-recognition")(image)

"""seqkit: ready-made recurrent pipelines for language and speech, in Keras and TensorFlow.

    import seqkit
    pipe = seqkit.pipeline("sentiment-analysis")
    pipe("A film of rare warmth.")

TensorFlow is loaded when one of the names below is first used, not on import.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "analyze_sentiment": "seqkit.presets",
    "build": "seqkit.tasks",
    "chain": "seqkit.chained",
    "models": "seqkit.serving.saved",
    "pipeline": "seqkit.presets",
    "read_handwriting": "seqkit.presets",
    "split_lines": "seqkit.data.pages",
    "transcribe": "seqkit.presets",
    "translate": "seqkit.presets",
    "Pipeline": "seqkit.pipe",
    "Label": "seqkit.results",
    "Transcript": "seqkit.results",
    "Translation": "seqkit.results",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'seqkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
    return [*__all__, "__version__"]

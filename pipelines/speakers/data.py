"""Voices under `$SEQKIT_DATA/speech`: the 74 of AN4's training split, readers of LibriSpeech, and those of speechocean762."""

import numpy as np

from seqkit.media.sounds import RATE
from seqkit.recipes import read_corpus

ORIGINS = {
    "an4": "https://github.com/cmusphinx/an4",
    "librispeech_251spk": "https://www.openslr.org/12 (train-clean-100: the first utterance of each reader)",
    "librispeech_7spk": "https://www.openslr.org/12 (train-clean-100: utterances of seven readers)",
    "speechocean762": "https://www.openslr.org/101",
}


def an4(split):
    """`(path, voice)` of the "train", "dev" or "test" split, which have the same voices; "-" has ten others."""
    return _pairs("an4", lambda row: row["spkid_split"] == split)


def others():
    """Recordings of 377 voices to learn from beside AN4's."""
    corpora = "librispeech_251spk", "librispeech_7spk"
    return [pair for name in corpora for pair in _pairs(name)] + _pairs("speechocean762", lambda row: row["split"] == "train")


def strangers():
    """The dev split's `(path, "unknown")`: adults of speechocean762 that nothing was learnt from."""
    return [(path, "unknown") for path, _ in _pairs("speechocean762", lambda row: row["split"] == "test")]


def nobody(count=48, seed=0):
    """Silence and noise, which are nobody's voice."""
    random = np.random.default_rng(seed)
    for place in range(count):
        noise = random.normal(0, 1, random.integers(RATE // 2, 3 * RATE))
        smooth = np.convolve(noise, np.ones(1 + place % 8), "same")
        yield (smooth * 10 ** random.uniform(-5, -1.5)).astype(np.float32), "unknown"


def _pairs(corpus, which=lambda row: True):
    folder, rows = read_corpus(f"speech/{corpus}", "manifest.tsv", ORIGINS[corpus])
    prefix = corpus.split("_")[0]
    return [(folder / row["file"], f"{prefix}-{row['speaker']}") for row in rows if which(row)]


def hummed(hertz, seed=0):
    """A tone and its octave in a little noise, for the run on made-up examples: `(samples,)` float32."""
    time, random = np.arange(RATE // 4) / RATE, np.random.default_rng(seed)
    tone = 0.2 * np.sin(2 * np.pi * hertz * time) + 0.1 * np.sin(4 * np.pi * hertz * time)
    return (tone + random.normal(0, 0.01, len(time))).astype(np.float32)


MADE_UP = [
    (hummed(hertz * (1 + seed / 50), seed), voice)
    for voice, hertz in (("an4-low", 200), ("an4-high", 600), ("other", 2000), ("unknown", 5000))
    for seed in range(6)
]

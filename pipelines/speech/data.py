"""English speech under `$SEQKIT_DATA/speech`: spelt letters, digits and words (AN4), read books (LibriSpeech), short sentences
and digits with an accent (speechocean762), orders of coffee (Picovoice), and phonetically balanced sentences (Kathleen)."""

import zlib

import numpy as np

from seqkit.recipes import read_corpus

HELD_OUT = 20  # one of so many readers of LibriSpeech is for the test split
ORIGINS = {
    "an4": "https://github.com/cmusphinx/an4",
    "librispeech_251spk": "https://www.openslr.org/12 (train-clean-100: the first utterance of each reader)",
    "librispeech_7spk": "https://www.openslr.org/12 (train-clean-100: utterances of seven readers)",
    "speechocean762": "https://www.openslr.org/101",
    "picovoice_barista": "https://github.com/Picovoice/speech-to-intent-benchmark",
    "kathleen_cc0": "https://github.com/rhasspy/dataset-voice-kathleen",
}


def an4(split):
    """`(path, text)` pairs of the "train", "dev" or "test" split, which share no speaker."""
    return [pair for row, pair in _rows("an4") if row["split"] == split]


def librispeech(split):
    """The "train" or "test" split, by reader."""
    rows = _rows("librispeech_251spk") + _rows("librispeech_7spk")
    return [pair for row, pair in rows if (zlib.crc32(row["speaker"].encode()) % HELD_OUT == 0) == (split == "test")]


def speechocean(split):
    """The "train" split, with children, or the "test" split of adults."""
    return [pair for row, pair in _rows("speechocean762") if row["split"] == split]


def others():
    """What there is to learn from beside AN4."""
    rest = [pair for name in ("picovoice_barista", "kathleen_cc0") for _, pair in _rows(name)]
    return librispeech("train") + speechocean("train") + rest


def _rows(corpus):
    folder, rows = read_corpus(f"speech/{corpus}", "manifest.tsv", ORIGINS[corpus])
    return [(row, (folder / row["file"], row["text"].lower())) for row in rows if row["text"].strip()]


def sung(text, seed=0):
    """A tenth of a second of its tone for each letter, `(samples,)` float32, for the run on made-up examples."""
    hertz, time = {"a": 300, "b": 900, "c": 2700, " ": 0}, np.arange(1600) / 16000
    tones = [0.3 * np.sin(2 * np.pi * hertz[letter] * time) for letter in text]
    samples = np.concatenate([*tones, np.zeros(800)])
    return (samples + np.random.default_rng(seed).normal(0, 0.003, len(samples))).astype(np.float32)


MADE_UP = [(sung(text, seed), text) for seed in range(8) for text in ("ab", "ca b", "bac", "cab")]

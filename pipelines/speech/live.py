"""The recipe of `speech-en-live`, which streams: as `train.py`, with LSTMs that read forwards only."""

import functools

import train

from seqkit import recipes

SETTINGS = {"bidirectional": False, "units": 384}

if __name__ == "__main__":
    recipes.main(__file__, "speech-en-live", functools.partial(train.train, **SETTINGS), train.scores)

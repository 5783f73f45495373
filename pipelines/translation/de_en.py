"""The recipe of `translation-de-en`: as `train.py`, the other way."""

import functools

from train import scores, train

from seqkit import recipes

if __name__ == "__main__":
    recipes.main(__file__, "translation-de-en", functools.partial(train, "de", "en"), scores)

"""The sentiment recipe's training with `keras.layers` and with ours: seconds an epoch, first (it compiles) and second.

`SEQKIT_DATA=... python benchmarks/training.py` trains the recipe's network for two epochs on 2,000 reviews and 14,000 phrases,
with the recipe's batches, first with one kind of layers and then with the other.
"""

import sys
from pathlib import Path

import keras
from rich.console import Console
from rich.table import Table

import seqkit
from seqkit.encoders import text

sys.path.insert(0, str(Path(__file__).parent.parent / "pipelines" / "sentiment"))
import data
import train


def seconds(bidirectional, lstm, examples, assets):
    """Trains for two epochs with these layers in the encoder."""
    text.Bidirectional, text.LSTM = bidirectional, lstm
    pipe = seqkit.build("sentiment-analysis", assets)
    history = pipe.fit(examples, verbose=False, **{**train.TRAINING, "epochs": 2})
    return [line["seconds"] for line in history]


def main():
    examples = data.imdb("train")[::11] + data.treebank("train", phrases=True)[::11]
    assets = seqkit.pipeline("sentiment-en").assets
    ours = text.Bidirectional, text.LSTM
    table = Table("layers", "first epoch, s", "second epoch, s")
    for name, layers in (("keras.layers", (keras.layers.Bidirectional, keras.layers.LSTM)), ("seqkit.layers", ours)):
        table.add_row(name, *[f"{value:.1f}" for value in seconds(*layers, examples, assets)])
    Console().print(table)


if __name__ == "__main__":
    main()

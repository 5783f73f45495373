"""The corpus of the strokes recipe: where it comes from, and how it becomes `(points, label)` pairs.

`SEQKIT_DATA` names a folder holding `handwriting/pendigits`, the corpus as two tables with a header. A digit is eight
points at equal distances along the pen's way, lifts left out, y upwards, stretched to a box of 100 by 100.
"""

import csv
import os
from pathlib import Path

import numpy as np

FOLDER = "handwriting/pendigits"
CORPUS = "https://archive.ics.uci.edu/dataset/81/pen+based+recognition+of+handwritten+digits"
EVERY = 10  # of the training file's lines, one in so many is held out
MADE_UP = {"0": [(0, 0), (0, 2), (1, 2), (1, 0), (0, 0)], "1": [(0, 0), (1, 3)], "7": [(0, 2), (2, 2), (1, 0)]}


def pendigits(split):
    """The digits of "train", "dev" or "test" (Alimoglu and Alpaydin, 1996): a list of `((8, 2) float32, label)`."""
    name = f"pendigits_{'test' if split == 'test' else 'train'}.csv"
    path = Path(os.environ.get("SEQKIT_DATA", "data")) / FOLDER / name
    if not path.is_file():
        raise SystemExit(f"There is no {path}. Set SEQKIT_DATA, or make the table from {CORPUS}.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    pairs = [(np.array(row[:16], np.float32).reshape(8, 2), row[16]) for row in rows]
    # The file's writers are shuffled and not named: dev digits come from the same hands as those trained on.
    return [pair for line, pair in enumerate(pairs) if split == "test" or (line % EVERY == 0) == (split == "dev")]


def made_up(count, seed=0):
    """Three shapes that no two times look alike, for a run without the corpus."""
    random = np.random.default_rng(seed)
    shapes = [(np.array(points, float), label) for label, points in MADE_UP.items()]
    return [(points + random.normal(0, 0.1, points.shape), label) for points, label in shapes * (count // len(shapes))]

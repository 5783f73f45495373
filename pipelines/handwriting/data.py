"""Copiste d'un jour: lines of modern French handwriting, under `$SEQKIT_DATA/handwriting/copiste-d-un-jour`."""

import csv
import itertools
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ORIGIN = "https://github.com/banq-dcn/Copiste-d-un-jour (333 pages and their ALTO files)"


def lines(split):
    """`(path, text)` pairs of the "train", "dev" or "test" split, which share no writer."""
    folder = Path(os.environ.get("SEQKIT_DATA", "data")) / "handwriting" / "copiste-d-un-jour"
    if not (folder / "lines.tsv").is_file():
        raise SystemExit(f"There is no {folder}/lines.tsv. Set SEQKIT_DATA to where the corpus is; it comes from {ORIGIN}.")
    with (folder / "lines.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(folder / "lines" / row["file"], row["text"]) for row in rows if row["split"] == split]


def writer(path):
    """Who wrote a line, by its file's name."""
    return path.stem.rpartition("_")[0]


def upside_down(path):
    with Image.open(path) as picture:
        return picture.transpose(Image.Transpose.ROTATE_180)


def words(count):
    """The most frequent words of French, the most frequent first: of wordfreq (Speer, 2022), whose lists are CC BY-SA 4.0."""
    try:
        from wordfreq import iter_wordlist
    except ModuleNotFoundError as error:
        raise SystemExit("This recipe needs wordfreq's words. Install it: pip install wordfreq==3.1.1") from error
    return list(itertools.islice((word for word in iter_wordlist("fr", "large") if word.isalpha()), count))


def printed(text):
    """A line in print, `(24, width)` uint8, for the run on made-up examples."""
    picture = Image.new("L", (20 + 7 * len(text), 24), 255)
    ImageDraw.Draw(picture).text((10, 6), text, 0)
    return np.asarray(picture)


MADE_UP = [(printed(text), text) for text in ("good film", "sad plays", "new books") * 12]

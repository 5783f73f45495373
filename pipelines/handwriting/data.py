"""Lines of French handwriting, under `$SEQKIT_DATA/handwriting`: of today (Copiste d'un jour), of soldiers' wills from 1914 to
1918 (poilus), of Badinter's drafts and a letter (CREMMA, 20th century), and of a diary of 1914 (Célestine)."""

import itertools

import numpy as np
from PIL import Image, ImageDraw

from seqkit.recipes import read_corpus

NARROWEST = 9  # pixels a character, of lines that are 64 pixels high
ORIGINS = {
    "copiste-d-un-jour": "https://github.com/banq-dcn/Copiste-d-un-jour (333 pages and their ALTO files)",
    "poilus_fr_1914_18": "https://github.com/HTR-United/CREMMA-AN-TestamentsDePoilus",
    "cremma_fr_20e": "https://github.com/HTR-United/CREMMA-MSS-20",
    "celestine_fr_1914": "https://github.com/alix-tz/dataset-celestine-doniau-danest",
}


def lines(split):
    """`(path, text)` pairs of the "train", "dev" or "test" split, which share no writer."""
    return copiste(split) + others(split)


def copiste(split):
    return [pair for where, pair in _rows("copiste-d-un-jour") if where == split]


def others(split):
    """Hands of the years 1914 to 1918, by will, and of three writers more, who are all for training."""
    pairs = [pair for where, pair in _rows("poilus_fr_1914_18") if where == split]
    if split == "train":
        pairs += [pair for name in ("cremma_fr_20e", "celestine_fr_1914") for _, pair in _rows(name)]
        # What is narrower was written up the margin, or its polygon holds a part of it.
        pairs = [(path, text) for path, text in pairs if width_of(path) >= NARROWEST * len(text)]
    return pairs


def width_of(path):
    with Image.open(path) as picture:
        return picture.width


def _rows(corpus):
    folder, rows = read_corpus(f"handwriting/{corpus}", "lines.tsv", ORIGINS[corpus])
    return [(row.get("split"), (folder / "lines" / row["file"], row["text"])) for row in rows]


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

"""Lines drawn in typefaces that imitate handwriting, to train on beside the corpus: more hands, and more words.

The typefaces are those of `fonts.txt` (name, version), by Google Fonts' designers under the OFL, Apache-2.0 and MIT licences.
They are fetched once, from the npm registry's @fontsource packages. The words are wordfreq's for French (Speer, 2022).
"""

import io
import re
import tarfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

REGISTRY = "https://registry.npmjs.org/@fontsource/{name}/-/{name}-{version}.tgz"
FILE = re.compile(r"-latin-(\d+)-normal\.woff2$")
LETTERS = "abcdefghijklmnopqrstuvwxyz" + "éèêëàâîïôöûùüçœ"
DRAWN = set(LETTERS + LETTERS[:26].upper() + "ÉÈÀÇÎÔ" + "0123456789" + " .,;:'’()«»\"-!?/&%")  # what every typeface has
HEIGHT = 18  # pixels of an x
LONGEST = 80  # characters


def lines(count, texts, words, faces, seed):
    """`(picture, text)` pairs, pictures `(height, width)` uint8.

    Args:
        count: int.
        texts: the corpus's, in their order: windows of them are drawn, most of their words replaced by others.
        words: dict of word -> frequency. The rare are drawn more often than they are written: as the root of it.
        faces: list of typefaces, each as likely.
        seed: int; the same one draws the same lines.
    """
    random = np.random.default_rng(seed)
    texts = _texts(count, " ".join(texts).split(), words, random)
    return [(_picture(text, faces[random.integers(len(faces))], random), text) for text in texts]


def french():
    """The words of French: dict of word -> its frequency, the most frequent first."""
    try:
        from wordfreq import get_frequency_dict
    except ModuleNotFoundError as error:
        raise SystemExit("This recipe needs wordfreq's words. Install it: pip install wordfreq==3.1.1") from error
    return {word: share for word, share in get_frequency_dict("fr", "large").items() if word.isalpha()}


def hands(folder):
    """The typefaces, at the size that an x is `HEIGHT` high in; those that the folder lacks are fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [line.split() for line in (Path(__file__).parent / "fonts.txt").read_text().splitlines()]
    with ThreadPoolExecutor(8) as pool:
        return [_face(path) for path in pool.map(lambda font: _font(folder, *font), wanted)]


def _font(folder, name, version):
    path = folder / f"{name}-{version}.woff2"
    if not path.is_file():
        address = REGISTRY.format(name=name, version=version)
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                package = io.BytesIO(answer.read())
        except OSError as error:
            raise SystemExit(f"A typeface could not be fetched: {address}: {error}. Give the same command again.") from error
        with tarfile.open(fileobj=package) as package:
            weights = {int(found[1]): file for file in package.getnames() if (found := FILE.search(file))}
            content = package.extractfile(weights[min(weights, key=lambda weight: abs(weight - 400))]).read()
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)
    return path


def _face(path):
    face = ImageFont.truetype(str(path), 100)
    height = np.median([face.getbbox(letter, anchor="ls")[1] for letter in "aemnorsuxz"])
    return ImageFont.truetype(str(path), 100 * HEIGHT / -height, layout_engine=ImageFont.Layout.RAQM)


def _texts(count, texts, words, random):
    """Windows of the texts, four in five of their words of three letters and more replaced, each digit by any."""
    words = {word: share**0.5 for word, share in words.items() if set(word) <= set(LETTERS)}
    shares = np.array(list(words.values()))
    others = iter(random.choice(list(words), 20 * count, p=shares / shares.sum()).tolist())
    texts = [word for word in texts if set(word) <= DRAWN]

    def replaced(found):
        word = found[0]
        if random.random() > 0.8:
            return word
        other = next(others)
        return other.capitalize() if word[0].isupper() else other

    found = []
    for start, size in zip(random.integers(len(texts), size=count), random.integers(2, 11, size=count)):
        text = re.sub(r"[^\W\d_]{3,}", replaced, " ".join(texts[start : start + size]))
        text = re.sub(r"\d", lambda _: str(random.integers(10)), text)
        found.append(text if len(text) <= LONGEST else text[:LONGEST].rpartition(" ")[0])
    return [text if set(text) <= DRAWN else text.lower() for text in found]


def _picture(text, face, random):
    """The words one by one, as no hand keeps to a ruler: each a little higher or lower, with gaps that differ."""
    pen, space, margin = random.choice([0, 0, 0, 1]), face.getlength(" "), 5 * HEIGHT
    at, places = margin, []
    for word in text.split(" "):
        places.append((at, margin + HEIGHT * 0.07 * random.standard_normal(), word))
        at += face.getlength(word) + space * random.uniform(0.7, 1.8)
    picture = Image.new("L", (int(at) + margin, 2 * margin), 255)
    draw = ImageDraw.Draw(picture)
    for left, base, word in places:
        draw.text((left, base), word, 0, font=face, anchor="ls", stroke_width=pen)
    return np.asarray(ImageOps.expand(picture.crop(ImageOps.invert(picture).getbbox()), HEIGHT // 3, 255))

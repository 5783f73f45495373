"""Examples as they are checked: read one by one as `fit` reads them, measured, and forgotten but for the measures.

Convention: what cannot be read is an example too, with its error. Files are read in full, since half of one has a header.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from seqkit.data.forms import EXPECTED, FORMS, has_form, no_form, table_in
from seqkit.data.listed import usual_columns
from seqkit.data.manifests import read_located, transcription
from seqkit.data.parallel import has_pairs
from seqkit.data.recordings import SOUNDS, has_folders
from seqkit.data.tables import is_table, lacking, read_columns, read_rows
from seqkit.frontends.image import ImageFrontend, grey
from seqkit.frontends.strokes import StrokesFrontend
from seqkit.media.pictures import read_picture

COLUMNS = {  # the first that fits
    "image": ("image", "text"),
    "audio": ("audio", "text"),
    "sounds": ("audio", "label"),
    "text": ("text", "label"),
    "points": ("points", "label"),
    "pairs": ("text", "translation"),
}
PAIRED = {"text": ("source", "src"), "translation": ("target", "tgt")}  # other names of the columns of pairs
LABELLED = ("text", "points", "sounds")  # kinds that are answered by a label, not by a transcription
READER = ImageFrontend(tidy=False)  # as lines are read for training, where nothing is set
SURE = 0.999  # probability from which on a text is said to be in another language
CLIPPED = 0.01  # of the samples at full scale
SILENCE = 0.001  # of full scale: all samples are equal, or differ by less


@dataclass(frozen=True)
class Example:
    split: str  # the name of its set
    name: str  # by which the user finds it
    error: str | None = None  # why it cannot be read
    transcribed: bool = True
    written: str = ""  # the target as it is in the file
    target: str = ""  # and as it is learnt
    digest: bytes = b""  # of what is seen, heard or read
    size: float = 0.0  # pixels of width at the height that lines are read at, or seconds
    steps: int = 0  # of a line, read from ink to ink
    bare: bool = False  # one shade, silence, or no text
    rate: int = 0  # Hz
    clipped: bool = False
    copied: bool = False  # whether a translation is its source
    foreign: str = ""  # which side of a pair seems to be in another language than it should

    @property
    def sound(self):
        return self.error is None and self.transcribed


def kind_of(path, columns=None):
    """The kind of examples in a path, one of COLUMNS; None for a table without a row. `columns` as of `read_examples`."""
    if not path.exists():
        if "translation" in (columns or {}) and has_pairs(path, columns):
            return "pairs"
        raise FileNotFoundError(f"There is no {path}.")
    if has_pairs(path, columns or {}):
        return "pairs"
    if kind := next((kind for kind in FORMS if has_form(path, kind) or table_in(path, kind) != path), None):
        return kind
    if has_folders(path):
        return "sounds"
    if not is_table(path):
        raise no_form(path, ", or ".join(EXPECTED.values()))
    there = read_columns(path)
    named = {field for field, name in (columns or {}).items() if name in there}
    for name, others in PAIRED.items():  # by whatever name
        named |= {name} if set(others) & set(there) and name not in (columns or {}) else set()
    for kind, names in COLUMNS.items():
        if set(columns or ()) <= set(names) and set(names) <= {*there, *named}:
            return kind
    if _names_sounds(path, columns or {}):
        return "audio"
    if columns and len(named) < len(columns):
        raise lacking(path, columns, there)
    if there:
        expected = " or ".join(f"{x!r} and {y!r}" for x, y in COLUMNS.values())
        raise ValueError(f"{path}: expected the columns {expected}; received {there}.")
    return None


def _names_sounds(path, columns):
    """Whether a table's columns are those of recordings by their usual names; `path` and the like could name pictures too."""
    fields = COLUMNS["audio"]
    names = usual_columns(path, {field: columns.get(field, field) for field in fields})
    if not set(columns) <= set(fields) or not set(names.values()) <= set(read_columns(path)):
        return False
    first = next((cells[0] for _, cells in read_rows(path, names) if not isinstance(cells, ValueError)), "")
    return str(first).lower().endswith(SOUNDS)


def read_set(path, split, kind, columns=None):
    """Yields the `Example`s of a set, at least one, if only to say that there is none."""
    folder = re.compile(rf"(?<![^\s'(]){re.escape(str(path.parent))}/")

    def short(name):
        return folder.sub("", str(name))

    count = 0
    try:
        usual, languages = (PAIRED, _languages(columns or {})) if kind == "pairs" else (None, None)
        for place, x, y in read_located(path, *COLUMNS[kind], columns, usual):
            example = _measured(x, y, split, short(x if isinstance(x, Path) else place), kind, short)
            if kind == "pairs" and example.sound:
                example = replace(example, size=len(x), copied=x.strip() == y.strip(), foreign=languages(x, y))
            count += example.transcribed
            yield example
    except ValueError as error:  # reading cannot go on
        count += 1
        yield Example(split, short(path), error=short(error))
    if not count:
        yield Example(split, short(path), error=f"{short(path)}: there are no examples.")


def _languages(columns):
    """A function of both sides of a pair, which says which is not in the language that its column is called by; "" where
    none, the names are no languages' or py3langid is not installed. Short sentences are only told from the other side's."""
    codes = [columns.get(name, "") for name in COLUMNS["pairs"]]
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        return lambda *sides: ""
    both, all_ = (LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True) for _ in range(2))
    if not set(codes) <= set(all_.nb_classes):
        return lambda *sides: ""
    both.set_languages(codes)

    def foreign(*sides):
        for text, code in zip(sides, codes):
            for identifier, letters in ((both, 20), (all_, 60)):
                found, sure = identifier.classify(text)
                if len(text) >= letters and found != code and sure > SURE:
                    return f"{found} where {code} is expected: {text!r:.60}"
        return ""

    return foreign


def _measured(x, y, split, name, kind, short):
    if x is None:
        return Example(split, name, transcribed=False)
    if isinstance(x, ValueError):
        return Example(split, name, error=short(x))
    try:
        measures = _MEASURES[kind](x, name)
    except ValueError as error:
        return Example(split, name, error=short(error))
    return Example(split, name, written=y, target=y if kind in LABELLED else transcription(y), **measures)


def _measure_picture(picture, name):
    try:
        item = picture if isinstance(picture, Path) else picture.read()
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    picture = read_picture(item, name)[0]
    if picture.has_transparency_data:
        shades = grey(np.atleast_3d(picture)).numpy().astype(np.uint8)
    else:
        shades = np.asarray(picture.convert("L"))  # the same, sooner
    return {
        "digest": _digest(f"{shades.shape}".encode(), shades.tobytes()),
        "size": max(1, round(shades.shape[1] * READER.height / shades.shape[0])),
        "steps": int(READER(READER.collate([item]))[1][0]),
        "bare": shades.min() == shades.max(),
    }


def _measure_audio(recording, name):
    if isinstance(recording, Path):
        samples, rate = _read_audio(recording)
    else:
        try:
            samples, rate = recording.read()
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return {
        "digest": _digest(f"{rate}".encode(), samples.tobytes()),
        "size": len(samples) / rate,
        "bare": bool(np.ptp(samples) < SILENCE),
        "rate": rate,
        "clipped": bool(np.mean(np.abs(samples) > 0.99) > CLIPPED),
    }


def _measure_text(text, name):
    return {"digest": _digest(text.strip().encode("utf-8", "replace")), "bare": not text.strip()}


def _measure_points(points, name):
    try:
        (read,) = StrokesFrontend(1.0).collate([points])["points"]
    except ValueError as error:
        raise ValueError(str(error).replace("Item 0", name, 1)) from error
    return {"digest": _digest(f"{read.shape}".encode(), read.tobytes())}


def _digest(*parts):
    return hashlib.blake2b(b" ".join(parts), digest_size=16).digest()


def _read_audio(path):
    """Samples from -1 to 1, `(samples,)` or `(samples, channels)`, and how many there are in a second."""
    try:
        _refuse_cut(path)
        with soundfile.SoundFile(path) as file:
            stated, rate = file.frames, file.samplerate
            samples = file.read(dtype="float32")
        if len(samples) < stated or not stated:
            raise ValueError(f"it holds {len(samples)} of {stated} samples")
    except Exception as error:  # decoders raise whatever they stumble over
        raise ValueError(f"{path}: expected audio, whole; {error or type(error).__name__}.") from error
    return samples, rate


def _refuse_cut(path):
    size = path.stat().st_size
    if not size:
        raise ValueError("the file is empty")
    with path.open("rb") as file:
        head = file.read(8)
    stated = int.from_bytes(head[4:], "little")
    if head[:4] == b"RIFF" and stated not in (0, 0xFFFFFFFF) and size + 1 < 8 + stated:  # those two: length unknown
        raise ValueError(f"it holds {size} of {8 + stated} bytes")


_MEASURES = {
    "image": _measure_picture,
    "audio": _measure_audio,
    "sounds": _measure_audio,
    "text": _measure_text,
    "points": _measure_points,
    "pairs": _measure_text,
}

"""Recordings of speech as corpora keep them -> `(name, recording, text)`, utterance by utterance.

Convention: three forms, distinguished by the names of the files:

- `*.trans.txt` of LibriSpeech (Panayotov et al., 2015): `103-1240-0000 CHAPTER ONE`, the recording beside it.
- `metadata.csv` of LJSpeech (Ito and Johnson, 2017): `id|raw|normalised` without header or quotes, the recordings in `wavs/`
  or beside it. The normalised text is read where there is one. With a header it is a table like others (`listed.py`).
- `wav.scp` and `text` of Kaldi (Povey et al., 2011), and `segments` where recordings hold several utterances. A file is looked
  up from the folder of `wav.scp`, then, as Kaldi does, from the working directory. An end of -1 is that of the recording.
  A `wav.scp` below another is one of Kaldi's parts of it (`split4/1/`) and is passed over.

And without a list, for labels: the recordings of each in a folder of its name.

A list decides which recordings there are; others beside it are passed over. What is missing or malformed is a ValueError in
the recording's place, so that reading can refuse and `seqkit check` can list. Left out: Common Voice and NeMo, which have
tables (`listed.py`), commands in `wav.scp`, archives (.ark), speakers.
"""

import functools
import math
from pathlib import Path

from seqkit.data.files import Finder, called, ends, files_in, text_lines
from seqkit.data.listed import USUAL
from seqkit.data.stretches import Stretch

SOUNDS = (".flac", ".wav", ".ogg", ".mp3", ".opus")


def is_ljspeech(path):
    """Whether a file is LJSpeech's list: called `metadata.csv`, its first line parted by bars and no header."""
    if path.name.lower() != "metadata.csv" or not path.is_file():
        return False
    cells = next(text_lines(path, errors="replace"), "").lower().split("|")
    return len(cells) > 1 and not set(USUAL["audio"]["audio"]).intersection(map(str.strip, cells))


def has_folders(path):
    """Whether it is a directory of folders with recordings."""
    return path.is_dir() and any(ends(SOUNDS)(file) and file.parent != path for file in files_in(path))


def read_folders(path):
    """Yields `(name, recording, label)` of the recordings in a directory's folders; the label is the folder's name."""
    for file in filter(ends(SOUNDS), files_in(path)):
        if file.parent == path:
            file = ValueError(f"{file}: expected recordings in folders named as their labels; this one is in none.")
            yield str(path), file, ""
        else:
            yield str(file), file, file.parent.name


def _read_lists(fits, read, files):
    """Yields the utterances of the lists among some files: of each line what `read(finder, folder, line)` makes of it."""
    finder = Finder()
    for path in filter(fits, files):
        yield from _lines(path, functools.partial(read, finder, path.parent))


def _librispeech(finder, folder, line):
    name, *text = line.split(maxsplit=1)
    return _sound(finder, name, folder), "".join(text)


def _ljspeech(finder, folder, line):
    cells = line.split("|")
    if len(cells) not in (2, 3):
        raise ValueError(f"expected the form 'id|raw text|normalised text', received {line!r:.80}.")
    return _sound(finder, cells[0], folder / "wavs", folder), cells[-1].strip() or cells[1]


def _lines(path, read):
    """Yields `(place, recording, text)` of a list, line by line as `read(line)` has the two, or refuses them."""
    try:
        for number, line in enumerate(text_lines(path), 1):
            place = f"{path}, line {number}"
            if line.strip():
                try:
                    yield place, *read(line.strip())
                except ValueError as error:
                    yield place, ValueError(f"{place}: {error}"), ""
    except ValueError as error:  # it cannot be decoded
        yield str(path), error, ""


def _sound(finder, name, *folders):
    """The recording of a name without its ending, in the first of the folders that has it."""
    there = (finder.find(folder, f"{name}{ending}") for folder in folders for ending in SOUNDS)
    sound = next(filter(None, there), None)
    if sound is None:
        raise ValueError(f"there is no recording {folders[0] / name} ending in {', '.join(SOUNDS)}.")
    return sound


def _read_kaldi(files):
    lists = list(filter(_is_kaldi, files))
    folders = {path.parent for path in lists}
    for path in lists:
        if not folders.isdisjoint(path.parent.parents):
            continue
        try:
            yield from _kaldi(path)
        except ValueError as error:  # one of the lists cannot be read
            yield str(path), error, ""


def _kaldi(path):
    texts, recordings, finder = _keyed(path.with_name("text")), _keyed(path), Finder()
    segments = path.with_name("segments")
    utterances = _keyed(segments) if segments.is_file() else recordings
    for name, (place, rest) in utterances.items():
        try:
            if name not in texts:
                raise ValueError(f"no text is with {name!r}; expected a line for it in {path.with_name('text')}.")
            if utterances is recordings:
                yield place, _kaldi_file(finder, path.parent, rest), texts[name][1]
            else:
                yield place, _segment(finder, path, recordings, rest), texts[name][1]
        except ValueError as error:
            yield place, ValueError(f"{place}: {error}"), ""
    for name, (place, _) in texts.items():
        if name not in utterances:
            where = path if utterances is recordings else segments
            yield place, ValueError(f"{place}: no recording is with {name!r}; expected a line for it in {where}."), ""


def _keyed(path):
    """Name -> its place and what follows it, for the lines of one of Kaldi's lists."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}; expected wav.scp and text in one directory.")
    found = {}
    for number, line in enumerate(text_lines(path), 1):
        if line.strip():
            (name, *rest), place = line.split(maxsplit=1), f"{path}, line {number}"
            if name in found:
                raise ValueError(f"{place}: {name!r} comes a second time, after {found[name][0]}; take one of the two out.")
            found[name] = place, "".join(rest).strip()
    return found


def _kaldi_file(finder, folder, name):
    if name.endswith("|"):
        raise ValueError(f"expected a file, received the command {name!r:.80}; run it yourself and name the file it writes.")
    sound = name and (finder.find(folder, name) or finder.find(Path.cwd(), name))
    if not sound:
        raise ValueError(f"there is no file {name!r}, neither from {folder} nor from the working directory.")
    return sound


def _segment(finder, path, recordings, rest):
    try:
        recording, start, end = rest.split()
        start, end = float(start), float(end)
    except ValueError:
        raise ValueError(f"expected a recording and two times in seconds, such as 'a 0.5 2.25', received {rest!r}.") from None
    if recording not in recordings:
        raise ValueError(f"there is no recording {recording!r} in {path}.")
    place, name = recordings[recording]
    try:
        sound = _kaldi_file(finder, path.parent, name)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    return Stretch(sound, start, math.inf if end == -1 else end)


_is_librispeech, _is_kaldi = ends(".trans.txt"), called("wav.scp")
FORMS = (  # whether a file is of it, and how files are read among which one is
    (_is_librispeech, functools.partial(_read_lists, _is_librispeech, _librispeech)),
    (is_ljspeech, functools.partial(_read_lists, is_ljspeech, _ljspeech)),
    (_is_kaldi, _read_kaldi),
)

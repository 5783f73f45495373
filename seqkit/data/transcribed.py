"""Transcribed lines: pictures of text lines as transcribers keep them -> `(name, picture, text)`, line by line.

Convention: three forms, distinguished by the names of the files (`forms.py` chooses):

- `*.gt.txt`: `x.png` + `x.gt.txt` pairs (OCRopus, Calamari, kraken, Tesseract), in subfolders too. Of several pictures of
  one line the first is read of plain, `.nrm` (normalised) and `.bin` (black and white).
- `lines.txt` of the IAM Handwriting Database, its pictures in `lines/a01/a01-000u/` or flat beside it. Lines marked `err`
  are kept, as in most papers: there the cut into words went wrong, the line and its text are right.
- `*.xml`: PAGE or ALTO of any version, with the page's picture near it (`crops.py`).

Endings may be in capitals. A name names the line for whoever has to mend it. What cannot be read is a ValueError in the
picture's place, and a line of a page that nobody has transcribed is None there, so that reading can refuse and
`seqkit check` can list. Left out: METS.
"""

import re
import unicodedata
from collections import defaultdict
from pathlib import Path

from seqkit.data.crops import read_pages
from seqkit.data.files import called, ends, read_text

_PAIR = re.compile(r"(.+?)(\.gt\.txt|(?:\.nrm|\.bin)?\.(?:png|jpe?g|tiff?|bmp|webp|gif))", re.IGNORECASE)
_IAM = re.compile(r"((([a-z]\d\d)-\w+)-\d\d) (?:ok|err)(?: -?\d+){6} (.+)")


def _read_pairs(files):
    groups = defaultdict(dict)
    for match in filter(None, (_PAIR.fullmatch(str(path)) for path in files)):
        groups[unicodedata.normalize("NFC", match[1])].setdefault(match[2].lower(), Path(match[0]))
    for stem, members in sorted(groups.items()):
        text = members.pop(".gt.txt", None)
        if not members:
            yield (
                str(text),
                ValueError(f"{text}: no picture is with it; expected {Path(stem).name}.png or the like in one directory."),
                "",
            )
            continue
        picture = members[min(members, key=lambda ending: (".bin" in ending, ".nrm" in ending, ending))]
        if text is None:
            yield (
                str(picture),
                ValueError(f"{picture}: no text is with it; expected {Path(stem).name}.gt.txt in one directory."),
                "",
            )
            continue
        try:
            yield str(picture), picture, read_text(text)
        except ValueError as error:
            yield str(picture), error, ""


def _read_iam(files):
    for path in filter(_is_iam, files):
        for number, line in enumerate(read_text(path).splitlines(), 1):
            place = f"{path}, line {number}"
            if match := _IAM.fullmatch(line.strip()):
                name, form, group, text = match.groups()
                folders = (path.parent / "lines", path.parent, path.parent.parent / "lines")
                places = [folder / inner / f"{name}.png" for folder in folders for inner in (f"{group}/{form}", "")]
                yield place, next((picture for picture in places if picture.is_file()), places[0]), text.replace("|", " ")
            elif line.strip() and not line.startswith("#"):
                expected = "expected the form 'a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop'"
                yield place, ValueError(f"{place}: {expected}, received {line!r:.80}."), ""


_is_iam = called("lines.txt")
FORMS = ((ends(".gt.txt"), _read_pairs), (_is_iam, _read_iam), (ends(".xml"), read_pages))

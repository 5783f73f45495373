"""Data, looked over before the first step: what would stop training, spoil a score, or be worth a look.

Convention: the first set is the one to train on; nothing is changed. `examples.py` reads and measures, `findings.py` has
one function a check. Left out: whether a text says what its picture or sound does, which only a trained pipeline can tell.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from seqkit.data.check.examples import COLUMNS, LABELLED, kind_of, read_set
from seqkit.data.check.findings import CHECKS, SEVERITIES
from seqkit.data.tables import TABLES

SPLITS = ("train", "dev", "val", "valid", "validation", "test")  # the names in a directory of sets, in this order


@dataclass(frozen=True)
class Report:
    """What `check` found: the kind of input, a line about each set, and the findings, errors first."""

    kind: str
    sets: dict
    findings: tuple

    @property
    def ready(self):
        return all(finding.severity != "error" for finding in self.findings)


def check(sources, columns=None):
    """Looks over the sets of one corpus.

    Args:
        sources: paths, the training set first, of any form `fit` takes; or the path of one directory that holds sets
            named `train`, `dev` (or `val`, `valid`, `validation`) and `test`, each a manifest or, where there is none, a
            directory.
        columns: as of `read_examples`: dict of `"text"`, `"label"` and the like -> the name of that column in the tables.

    Returns:
        A `Report`. Whether it is of pictures, sound, text or strokes is told by the columns.

    Raises:
        ValueError: the sets are of different kinds or of none.
        FileNotFoundError: there is no such file.
    """
    paths = _named([Path(source) for source in sources])
    kinds = {name: kind_of(path, columns) for name, path in paths.items()}
    known = sorted(set(filter(None, kinds.values())))
    if len(known) != 1:
        raise ValueError(f"Expected examples of one kind, {' or '.join(COLUMNS)}; received {kinds}.")
    (kind,) = known
    sets = {name: list(read_set(path, name, kind, columns)) for name, path in paths.items()}
    examples = [example for those in sets.values() for example in those]
    findings = [finding for look in CHECKS[kind] if (finding := look(examples)).items]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Report(kind, {name: _about(those, kind) for name, those in sets.items()}, tuple(findings))


def _named(paths):
    """Name of a set -> its path."""
    if len(paths) == 1 and paths[0].is_dir():
        there = {path.name.lower(): path for path in sorted(paths[0].iterdir())}
        endings = (*(ending for ending in TABLES if ending != ".txt"), "", ".txt")  # what is in .txt may be notes
        places = ([f"{name}{ending}" for ending in endings] for name in SPLITS)
        paths_there = (next((there[name] for name in inside if name in there), None) for inside in places)
        paths = list(filter(None, paths_there)) or paths
    names = [path.stem if path.is_file() else path.resolve().name for path in paths]
    return {name if names.count(name) == 1 else str(path): path for name, path in zip(names, paths)}


def _about(examples, kind):
    sound = [example for example in examples if example.sound]
    parts = [f"{len(sound):,} examples"]
    if kind in ("audio", "sounds"):
        parts.append(f"{sum(example.size for example in sound) / 60:.1f} minutes")
    if kind in LABELLED:
        labels = Counter(example.target for example in sound)
        return ", ".join(parts + [f"{label!r}: {count:,}" for label, count in labels.most_common(10)])
    characters = Counter(sign for example in sound for sign in example.target)
    return ", ".join([*parts, f"{characters.total():,} characters", f"{len(characters)} different ones"])

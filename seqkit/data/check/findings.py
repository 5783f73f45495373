"""The checks: each takes the examples of all sets and returns a `Finding`, which is none where it has no items.

Convention: an error is what `fit` and `evaluate` refuse, or what leaves nothing to learn; a warning makes weights or scores
worse; a note is for knowing. The first example's set is the one to train on. CHECKS says what is asked of which kind.
"""

import statistics
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass

from seqkit.data.check.examples import CLIPPED
from seqkit.data.manifests import is_empty
from seqkit.encoders.image import SCALE

SEVERITIES = ("error", "warning", "note")
FAR = 3.0  # times the median, or a part of it
SHORTEST = 0.1  # seconds of a recording
LOWEST = 16_000  # Hz, from which on a recording holds all of speech
FASTEST, SLOWEST = 30.0, 0.5  # characters a second; people speak about 15
WORD = 4  # letters; fewer in capitals may be an abbreviation


@dataclass(frozen=True)
class Finding:
    """One kind of thing that was found: `items` names all of it, `advice` says why it matters or what to do."""

    kind: str
    severity: str
    items: tuple
    advice: str


def unreadable(examples):
    return Finding("unreadable", "error", tuple(it.error for it in examples if it.error), "Mend them or take them out.")


def untranscribed(examples):
    names = tuple(it.name for it in examples if not it.transcribed)
    return Finding("lines of pages without text", "note", names, "They are passed over.")


def no_target(examples):
    names = _where(examples, lambda it: is_empty(it.target))
    return Finding("empty texts", "error", names, "Transcribe them or take them out.")


def no_label(examples):
    return Finding("empty labels", "error", _where(examples, lambda it: is_empty(it.target)), "Fill them in or take them out.")


def impossible(examples):
    """CTC emits at most one character a frame, and needs a blank between two that are equal (Graves et al., 2006). Frames are
    those of an encoder and a height that nobody has set otherwise."""

    def frames(it):
        return -(-it.steps // SCALE)

    def needed(it):
        return len(it.target) + sum(one == other for one, other in zip(it.target, it.target[1:]))

    names = _where(
        examples,
        lambda it: frames(it) < needed(it),
        lambda it: f"{it.name} (needs {needed(it)} frames, has {frames(it)})",
    )
    return Finding("too long a text for its picture", "error", names, "Is it the right text, and the whole line?")


def no_text(examples):
    return Finding("empty texts", "warning", _where(examples, lambda it: it.bare), "They have a label but say nothing.")


def blank(examples):
    return Finding("pictures of one shade", "warning", _where(examples, lambda it: it.bare), "There is nothing to read.")


def silent(examples):
    return Finding("silent", "warning", _where(examples, lambda it: it.bare), "There is nothing to hear.")


def clipped(examples):
    advice = f"More than {CLIPPED:.1%} of the samples are at full scale: record them with less gain."
    return Finding("clipped", "warning", _where(examples, lambda it: it.clipped), advice)


def short(examples):
    names = _where(examples, lambda it: it.size < SHORTEST, lambda it: f"{it.name} ({it.size:.3f} s)")
    return Finding(f"shorter than {SHORTEST:g} s", "warning", names, "No word is so short: were they cut wrongly?")


def rates(examples):
    counts = Counter(it.rate for it in examples if it.sound).most_common()
    told = len(counts) > 1 or any(rate < LOWEST for rate, _ in counts)
    items = tuple(f"{rate} Hz ({count:,})" for rate, count in counts) if told else ()
    advice = f"Where the rate is low, the high sounds are missing; from {LOWEST} Hz on all of speech is there."
    return Finding("sample rates", "note", items, advice)


def pace(examples):
    def characters(it):
        return len(it.target) / it.size

    items = _where(
        examples,
        lambda it: not is_empty(it.target) and not SLOWEST <= characters(it) <= FASTEST,
        lambda it: f"{it.name} ({characters(it):.1f} characters a second)",
    )
    advice = f"Speech has from {SLOWEST:g} to {FASTEST:g} characters a second: is it the right text, and the whole recording?"
    return Finding("implausible pace", "warning", items, advice)


def twice(examples):
    groups = _alike(examples, lambda it: (it.split, it.digest))
    items = tuple(" = ".join(map(_whose, group)) for group in groups)
    return Finding("the same twice in one set", "note", items, "They count twice in training and in a score.")


def pairs_twice(examples):
    groups = _alike(examples, lambda it: (it.split, it.digest, it.target))
    items = tuple(" = ".join(map(_whose, group)) for group in groups)
    return Finding("the same pair twice in one set", "note", items, "They count twice in training and in a score.")


def no_source(examples):
    return Finding("empty sources", "error", _where(examples, lambda it: it.bare), "There is nothing to translate.")


def copied(examples):
    names = _where(examples, lambda it: it.copied, lambda it: f"{it.name} ({it.target!r:.60})")
    return Finding("the same on both sides", "warning", names, "Were they never translated? Names and numbers may be right.")


def foreign(examples):
    names = _where(examples, lambda it: it.foreign, lambda it: f"{it.name} ({it.foreign})")
    return Finding("in another language", "warning", names, "Is the right side there, and translated? It is a guess.")


def letter_case(examples):
    """Texts in capitals alone, beside texts with small letters; writing without the two has neither."""
    capitals = [it for it in examples if it.sound and it.target.isupper() and sum(map(str.isalpha, it.target)) >= WORD]
    small = [it for it in examples if it.sound and any(map(str.islower, it.target))]
    parts = (("in capitals", capitals), ("with small letters", small))
    items = tuple(f"{len(those):,} {what}, such as {those[0].name}" for what, those in parts if capitals and small)
    return Finding("mixed letter case", "warning", items, "The same word is learnt as two: write all of them one way.")


def outliers(examples):
    paces = [(it.size / len(it.target), it.name) for it in examples if it.sound and it.target and it.size]
    middle = statistics.median(pace for pace, _ in paces) if paces else 0.0
    far = [(pace / middle, name) for pace, name in paces if not middle / FAR <= pace <= middle * FAR]
    far.sort(key=lambda pair: -max(pair[0], 1 / max(pair[0], 1e-9)))  # the farthest first
    items = tuple(f"{name} ({times:.2f} times the median)" for times, name in far)
    advice = f"A character is more than {FAR:g} times, or less than 1/{FAR:g}, as long as the median: is it the right text?"
    return Finding("unusual length for their text", "warning", items, advice)


def leaks(examples):
    advice = "What was trained on is no test: take them out of one of the sets."
    items = tuple(" = ".join(map(_whose, group)) for group in _across_sets(examples, lambda it: it.digest))
    return Finding("the same in several sets", "warning", items, advice)


def contradictions(examples):
    groups = (group for group in _alike(examples, lambda it: it.digest) if len({it.target for it in group}) > 1)
    items = tuple(" = ".join(f"{_whose(it)} ({it.target!r:.40})" for it in group) for group in groups)
    return Finding("the same with different answers", "warning", items, "At most one of the answers is right.")


def same_text(examples):
    groups = _across_sets(examples, lambda it: it.target)
    items = tuple(f"{group[0].target!r:.60} in {' = '.join(map(_whose, group))}" for group in groups)
    return Finding("the same text in several sets", "note", items, "A score on them says less about new texts.")


def unseen_characters(examples):
    items = _unseen(examples, lambda it: it.target, _sign)
    return Finding("characters unknown to the first set", "warning", items, "They will never be read.")


def unseen_labels(examples):
    items = _unseen(examples, lambda it: [it.target], repr)
    return Finding("labels unknown to the first set", "warning", items, "They will never be answered.")


def rare_characters(examples):
    items = _once(examples, lambda it: it.target, _sign)
    return Finding("characters seen once", "note", items, "Are they meant? Once is not enough to learn them.")


def rare_labels(examples):
    items = _once(examples, lambda it: [it.target], repr)
    return Finding("labels seen once", "warning", items, "Are they meant? Once is not enough to learn them.")


def one_label(examples):
    labels = tuple({repr(it.target) for it in _first_set(examples)})
    return Finding("one label only", "error", labels if len(labels) == 1 else (), "There is nothing to tell apart.")


def controls(examples):
    def holds(it):
        return any(unicodedata.category(sign) == "Cc" or sign in "\u200b\ufeff\ufffd" for sign in it.target)

    items = _where(examples, holds, lambda it: f"{it.name} ({it.target!r:.60})")
    return Finding("control characters", "warning", items, "Line breaks and the like would be learnt as letters.")


def not_composed(examples):
    names = _where(examples, lambda it: not unicodedata.is_normalized("NFC", it.written))
    return Finding("texts not in NFC", "note", names, "They are brought into it when they are read; other programs may differ.")


def _where(examples, holds, show=lambda it: it.name):
    return tuple(show(it) for it in examples if it.sound and holds(it))


def _first_set(examples):
    return [it for it in examples if it.sound and it.split == examples[0].split]


def _alike(examples, key):
    """The groups of two or more examples that share a key; those that say nothing are alike without being copies."""
    groups = defaultdict(list)
    for it in examples:
        if it.sound and not it.bare and key(it) != "":
            groups[key(it)].append(it)
    return [group for group in groups.values() if len(group) > 1]


def _across_sets(examples, key):
    """Of those that are alike in several sets, the first of each set."""
    for group in _alike(examples, key):
        firsts = list({it.split: it for it in reversed(group)}.values())[::-1]
        if len(firsts) > 1:
            yield firsts


def _whose(it):
    return it.name if it.name.startswith(it.split) else f"{it.split}: {it.name}"


def _unseen(examples, parts, show):
    known = {part for it in _first_set(examples) for part in parts(it)}
    counts = Counter(
        (it.split, part)
        for it in examples
        if it.sound and it.split != examples[0].split
        for part in parts(it)
        if part not in known
    )
    return tuple(f"{show(part)} ({count} in {split})" for (split, part), count in counts.most_common())


def _once(examples, parts, show):
    first = _first_set(examples)
    counts = Counter(part for it in first for part in parts(it))
    return tuple(f"{show(part)} in {it.name}" for it in first for part in parts(it) if counts[part] == 1)


def _sign(character):
    return f"{character!r} U+{ord(character):04X}"


_TRANSCRIBED = (
    no_target,
    outliers,
    leaks,
    contradictions,
    unseen_characters,
    controls,
    same_text,
    rare_characters,
    not_composed,
)
_LABELLED = (leaks, contradictions, unseen_labels, rare_labels)
CHECKS = {
    "image": (unreadable, untranscribed, impossible, blank, *_TRANSCRIBED),
    "audio": (unreadable, short, silent, clipped, rates, pace, twice, letter_case, *_TRANSCRIBED),
    "sounds": (unreadable, short, silent, clipped, rates, no_label, one_label, *_LABELLED),
    "text": (unreadable, no_label, one_label, no_text, *_LABELLED),
    "points": (unreadable, no_label, one_label, *_LABELLED),
    "pairs": (
        unreadable,
        no_source,
        no_target,
        outliers,
        copied,
        foreign,
        leaks,
        controls,
        pairs_twice,
        same_text,
        not_composed,
    ),
}

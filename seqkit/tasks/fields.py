"""What the tasks ask of their settings and targets alike. Left out: what only one of them asks."""

import math


def check_whole(config, *ranges):
    """Raises ValueError for the first field of a config that is no whole number in its range: `(name, lowest, highest)`."""
    for name, lowest, highest in ranges:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(f"{name} must be a whole number from {lowest} to {highest}; received {value!r}.")


def labels_of(values, least=2):
    """Labels in any ordered form (a list, an array, a column, the keys of a dict) -> tuple of `str`, `int`, `bool` or `float`.

    Raises:
        ValueError: one string, a set, something else than labels, fewer than the `least`, or two that are spelt alike.
    """
    if isinstance(values, (str, bytes)):
        raise ValueError(f"labels must be a list of labels, such as ('ham', 'spam'); received the one text {values!r}.")
    if isinstance(values, (set, frozenset)):
        raise ValueError(f"labels must have an order, which a set has not: sorted({values!r}).")
    try:
        labels = tuple(plain(label) for label in values)
    except TypeError:
        raise ValueError(f"labels must be a list of labels, such as ('ham', 'spam'); received {values!r:.80}.") from None
    for label in labels:
        if not isinstance(label, (str, int, float)) or (isinstance(label, float) and not math.isfinite(label)):
            raise ValueError(
                f"A label is a text or a number; received {type(label).__name__} {label!r:.80} in {labels!r:.200}."
            )
        if isinstance(label, str) and (not label.strip() or label != label.encode("utf-8", "replace").decode()):
            raise ValueError(f"A label must have a character that can be written; received {label!r} in {labels!r:.200}.")
    if len(labels) < least:
        raise ValueError(f"labels must be {('one', 'two')[least - 1]} or more; received {labels!r}.")
    spelt = [str(label) for label in labels]
    if len(set(spelt)) < len(spelt) or len(set(labels)) < len(labels):
        twice = next(label for place, label in enumerate(labels) if spelt[place] in spelt[:place] or label in labels[:place])
        raise ValueError(f"labels must be distinct, also as they are spelt; received {twice!r} twice in {labels!r:.200}.")
    return labels


def plain(value):
    """A NumPy scalar -> Python's own; anything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value


def _is_number(*values):
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def check_label(config, target, name):
    """The label of a config that a target is, equals as a number, or is spelt as; a ValueError, by `name`, for any other."""
    target = plain(target)
    for label in config.labels:  # `True == 1`, but they are two labels
        if type(label) is type(target) and label == target:
            return label
    for label in config.labels:
        spelt = isinstance(target, (str, int, float)) and str(label) == str(target)
        if spelt or (_is_number(label, target) and label == target):
            return label
    shown = [*config.labels[:20], *["..."] * (len(config.labels) > 20)]
    raise ValueError(f"{name}: unknown label {target!r:.80}; expected one of {shown}.")


def relearn_labels(config, targets, vocabulary):
    """The labels for going on with other examples: the config's and the targets' ("union"), or theirs alone ("new")."""
    known = config.labels if vocabulary == "union" else ()
    spelt, more = {str(label) for label in known}, {}
    for place, target in enumerate(targets):
        target = plain(target)
        if not isinstance(target, (str, int, float)):
            raise ValueError(
                f"Example {place}: a label is a text or a number; received {type(target).__name__} {target!r:.80}."
            )
        if str(target) not in spelt:
            more.setdefault(str(target), target)
    return (*known, *(more[name] for name in sorted(more)))

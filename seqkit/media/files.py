"""Files that items are handed in as: their bytes, and how errors name them.

Convention: an error says both which item it is about and the name of its file. Left out: what the bytes mean
(`pictures.py`, `sounds.py`).
"""

from pathlib import Path


def read_file(path, label, kind):
    """The label with the file's name added, and the file's bytes.

    Args:
        path: str or `os.PathLike`.
        label: how errors name the item.
        kind: what the file should be, for errors, such as "a picture".

    Raises:
        ValueError: there is no file, or it cannot be read.
    """
    label = named(label, path)
    try:
        return label, Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise ValueError(f"{label}: expected the path of {kind}; received {str(path)!r}: {error}.") from None


def named(label, path):
    """The label with the name of a file, unless it ends with that."""
    name = Path(path).name
    return str(label) if str(label).endswith(name) else f"{label} ({name})"

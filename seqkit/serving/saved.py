"""The directory that a trained pipeline is kept in.

    config.json         the format's number, the task's name, the task's config
    assets/             what was learnt from the examples before there were weights: a vocabulary, an alphabet
    model.weights.h5    Keras's, in float32, or in float16 where it was to be small
    CARD.md             what the model was trained on, and how well it does

Convention: these four and nothing else, so that reading a stranger's directory runs nothing of theirs. A directory is
replaced whole, so a kill leaves the old one or the new. Left out: what the parts mean.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

FORMAT = 2  # 1 kept the kernels of convolutions over lines with rows and columns swapped


def write(directory, task, config, assets, save_weights, card, half):
    """Writes a pipeline, in place of one that is there already.

    Args:
        directory: path.
        task: `str`, the task's name.
        config: dict of what JSON holds.
        assets: dict of file name -> `bytes`.
        save_weights: function of a path ending in `.weights.h5`, Keras's.
        card: `str`.
        half: whether to round the weights to float16.

    Raises:
        FileExistsError: the directory holds something else.
    """
    directory = Path(directory)
    if directory.exists() and any(directory.iterdir()) and not (directory / "config.json").exists():
        raise FileExistsError(f"{directory} holds something that is not a pipeline. Choose another directory.")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".save-") as work:
        new = Path(work) / "new"
        (new / "assets").mkdir(parents=True)
        described = {"format": FORMAT, "task": task, "config": config}
        (new / "config.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        for name, content in assets.items():
            (new / "assets" / name).write_bytes(content)
        (new / "CARD.md").write_text(card, encoding="utf-8")
        save_weights(new / "model.weights.h5")
        if half:
            _round(new / "model.weights.h5")
        if directory.exists():
            os.replace(directory, Path(work) / "old")
        shutil.move(new, directory)


def read(directory):
    """Reads a pipeline but for its weights.

    Args:
        directory: `Path`.

    Returns:
        The task's name, its config as a dict, and the assets as a dict of file name -> `bytes`.

    Raises:
        ValueError: `config.json` is damaged, or of another format.
    """
    try:
        described = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        form, task, config = described.pop("format"), described.pop("task"), described.pop("config")
    except (json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{directory}/config.json is damaged ({type(error).__name__}: {error}).") from error
    if form != FORMAT:
        raise ValueError(f"{directory} has format {form!r}; this version of seqkit reads format {FORMAT}.")
    if described:
        raise ValueError(f"{directory}/config.json has unknown keys {sorted(described)}.")
    return task, config, {path.name: path.read_bytes() for path in sorted((directory / "assets").glob("*"))}


def _round(path):
    import h5py

    whole = path.with_name("whole.h5")
    os.replace(path, whole)
    with h5py.File(whole) as source, h5py.File(path, "w") as target:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                half = item.dtype == "float32" and item.shape != ()
                target.create_dataset(name, data=item[()].astype("float16") if half else item[()])
            else:
                target.require_group(name)

        source.visititems(copy)
    whole.unlink()

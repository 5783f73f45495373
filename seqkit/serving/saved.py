"""The directory that a trained pipeline is kept in.

    config.json         the format's number, the task's name, the task's config
    assets/             what was learnt from the examples before there were weights: a vocabulary, an alphabet
    model.weights.h5    Keras's, in float32, or in float16 where it was to be small
    CARD.md             what the model was trained on, and how well it does

Convention: these four and nothing else, so that reading a stranger's directory runs nothing of theirs. A save is written
beside them into `.saving/`, and counts from the moment `config.json` is replaced by one that says so (`"in": ".saving"`);
then the four are brought up to date, and `.saving/` goes. So a kill leaves the old pipeline or the new, and the directory
itself, which may be a mount point, a link's target or the working directory, is never moved. Left out: what the parts mean.
"""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

FORMAT = 2  # 1 kept the kernels of convolutions over lines with rows and columns swapped
_WEIGHTS = Path(__file__).parents[1] / "weights"
_SAVING = ".saving"


def models():
    """The bundled pipelines: dict of name -> directory."""
    return {path.parent.name: path.parent for path in sorted(_WEIGHTS.glob("*/config.json"))}


def check_target(directory):
    """Refuses a directory that a pipeline could not be written to; to be asked before the hours that it takes to train one.

    Args:
        directory: path. It may be there already, empty or with a pipeline in it, which a save replaces.

    Raises:
        ValueError: the path is empty.
        OSError: it cannot be written (its subclass FileExistsError: there is something else); the message says why.
    """
    if not os.fspath(directory):
        raise ValueError("Expected the directory to save to; received an empty path. The working directory is '.'.")
    place, missing = Path(os.path.realpath(directory)), []
    try:
        if place.exists() and (not place.is_dir() or _is_in_use(place)):
            holds = "holds something that is not a pipeline" if place.is_dir() else "is a file"
            raise FileExistsError(f"{directory} {holds}. Choose another directory.")
        missing = [path for path in (place, *place.parents) if not path.exists()]
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except FileExistsError:
        raise
    except OSError as error:
        raise OSError(f"{directory} cannot be written ({error.strerror}). Choose another directory.") from error
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()


def _is_in_use(directory):
    """Whether a directory holds something that a save must not write into: neither nothing nor a pipeline."""
    try:
        described = json.loads((directory / "config.json").read_bytes())
        return not {"format", "task", "config"} <= set(described)
    except FileNotFoundError:
        return any(path.name != _SAVING for path in directory.iterdir())
    except (ValueError, TypeError):
        return True


def write(directory, task, config, assets, save_weights, card, half, room=0):
    """Writes a pipeline, in place of one that is there already. What else is in the directory stays.

    Args:
        directory: path.
        task: `str`, the task's name.
        config: dict of what JSON holds.
        assets: dict of file name -> `bytes`.
        save_weights: function of a path ending in `.weights.h5`, Keras's.
        card: `str`.
        half: whether to round the weights to float16.
        room: bytes that the weights take at most.

    Raises:
        ValueError, OSError: as of `check_target`; or the disk is full. What was there before still loads then.
    """
    check_target(directory)
    place = Path(os.path.realpath(directory))
    new = place / _SAVING
    try:
        place.mkdir(parents=True, exist_ok=True)
        _settle(place)  # from a save that was killed
        shutil.rmtree(new, ignore_errors=True)  # from one that was killed earlier
        (new / "assets").mkdir(parents=True)
        for name, content in assets.items():
            (new / "assets" / name).write_bytes(content)
        (new / "CARD.md").write_text(card, encoding="utf-8")
        # HDF5 crashes where the disk is full, so whether there is room is seen before.
        (new / "model.weights.h5").write_bytes(bytes(2 * room if half else room))
        save_weights(new / "model.weights.h5")
        if half:
            _round(new / "model.weights.h5")
        _commit(place, {"format": FORMAT, "task": task, "config": config, "in": _SAVING})
    except (OSError, RuntimeError) as error:  # HDF5 raises either
        if not _described(place).get("in"):
            shutil.rmtree(new, ignore_errors=True)
        reason = os.strerror(error.errno) if getattr(error, "errno", None) else " ".join(str(error).split())
        raise OSError(f"{directory}: the pipeline cannot be written ({reason}). What was there before is as it was.") from error
    with contextlib.suppress(OSError):  # it loads from where it is; the next save tries again
        _settle(place)


def _settle(directory):
    """Brings a pipeline that lies in `.saving/` to where it belongs."""
    described = _described(directory)
    if described.pop("in", None):
        shutil.rmtree(directory / "assets", ignore_errors=True)  # the new one need not have the same
        shutil.copytree(directory / _SAVING, directory, copy_function=shutil.copyfile, dirs_exist_ok=True)
        _commit(directory, described)
        shutil.rmtree(directory / _SAVING)


def _commit(directory, described):
    new = directory / _SAVING / "config.json"
    new.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    os.replace(new, directory / "config.json")


def _described(directory):
    path = directory / "config.json"
    return json.loads(path.read_bytes()) if path.exists() else {}


def stamp(directory):
    """What is another after each save: by it, who reads while another saves knows to read again."""
    status = os.stat(directory / "config.json")
    return status.st_ino, status.st_mtime_ns


def read(directory):
    """Reads a pipeline but for its weights.

    Args:
        directory: `Path`.

    Returns:
        The task's name, its config as a dict, the assets as a dict of file name -> `bytes`, and the path of the weights.

    Raises:
        ValueError: `config.json` is damaged, or of another format.
    """
    try:
        described = _described(directory)
        form, task, config = described.pop("format"), described.pop("task"), described.pop("config")
        config = {**config}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{directory}/config.json is damaged ({type(error).__name__}: {error}).") from error
    if form != FORMAT:
        newer = isinstance(form, int) and form > FORMAT
        advice = "Upgrade seqkit to load it." if newer else "Train and save it again with this version."
        raise ValueError(f"{directory} has format {form!r}; this version of seqkit reads format {FORMAT}. {advice}")
    place = directory / _SAVING if described.get("in") == _SAVING else directory
    if set(described) - {"in"} or described.get("in", _SAVING) != _SAVING:
        raise ValueError(f"{directory}/config.json has unknown keys {sorted(described)}.")
    assets = {path.name: path.read_bytes() for path in sorted((place / "assets").glob("*"))}
    return task, config, assets, place / "model.weights.h5"


def _round(path):
    """Rounds weights to float16, and packs them: their exponents are much alike, and an eighth goes."""
    import h5py

    whole = path.with_name("whole.h5")
    os.replace(path, whole)
    with h5py.File(whole) as source, h5py.File(path, "w") as target:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                half = item.dtype == "float32" and item.shape != ()
                packed = {"compression": "gzip", "shuffle": True, "chunks": item.shape} if half and item.size > 4096 else {}
                target.create_dataset(name, data=item[()].astype("float16") if half else item[()], **packed)
            else:
                target.require_group(name)

        source.visititems(copy)
    whole.unlink()

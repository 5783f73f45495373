"""The saved directory: where it may be, and that the old pipeline or the new is there at any moment."""

import contextlib
import json
import os
import resource
import shutil
import signal
from pathlib import Path

import pytest
from cases import STROKES

import seqkit
from seqkit import presets
from seqkit.serving import saved


@pytest.fixture(scope="module")
def other():
    """A pipeline that answers otherwise, with other settings; untrained, but whole."""
    pipe = STROKES.build(units=6)
    pipe.learn(STROKES.examples)
    return pipe


def answers(pipe):
    return [answer.scores for answer in pipe(STROKES.inputs)]


def names(directory):
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))


def write(directory, assets, save_weights=lambda path: path.write_bytes(b"weights"), card=""):
    saved.write(directory, "task", {"units": 1}, assets, save_weights, card, False)


@pytest.mark.parametrize("place", ["new/deep", "empty", "link", "dangling", "."])
def test_a_pipeline_is_written_where_it_is_wanted(place, tmp_path, monkeypatch):
    (tmp_path / "work" / "empty").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    monkeypatch.chdir(tmp_path / "work") if place != "." else monkeypatch.chdir(tmp_path / "work" / "empty")
    Path("link").symlink_to(tmp_path / "target") if place == "link" else None
    Path("dangling").symlink_to("there") if place == "dangling" else None
    before = os.stat(".")
    for card in ("one", "two"):
        saved.check_target(place)
        write(place, {"a": card.encode()}, card=card)
        assert (Path(place) / "CARD.md").read_text() == (Path(place) / "assets" / "a").read_text() == card
        assert names(Path(place)) == ["CARD.md", "assets", "assets/a", "config.json", "model.weights.h5"]
    assert os.path.islink(place) == (place in ("link", "dangling"))
    assert os.stat(os.getcwd()).st_ino == before.st_ino


def test_saving_again_replaces_a_pipeline_and_nothing_else(tmp_path):
    write(tmp_path, {"old": b"", "both": b"old"}, card="old")
    (tmp_path / "notes.txt").write_text("years of work")
    write(tmp_path, {"both": b"new"})
    assert names(tmp_path) == ["CARD.md", "assets", "assets/both", "config.json", "model.weights.h5", "notes.txt"]
    assert (tmp_path / "CARD.md").read_text() == "" and (tmp_path / "assets" / "both").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["thesis.txt", "config.json"])
@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', "years of work"])
def test_what_is_no_pipeline_is_left_alone(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    for refused in (saved.check_target, STROKES.pipe.save):
        with pytest.raises(FileExistsError, match=f"{tmp_path} holds something that is not a pipeline"):
            refused(tmp_path)
    assert names(tmp_path) == [name] and (tmp_path / name).read_text() == content


def test_where_nothing_can_be_written_is_refused_before(tmp_path):
    (tmp_path / "file").touch()
    for place, message in (
        (tmp_path / "file", "is a file. Choose another"),
        (tmp_path / "file" / "below", "cannot be written .Not a directory"),
        ("/proc/nowhere/m", "/proc/nowhere/m cannot be written"),
        (tmp_path / ("long" * 99), "cannot be written .File name too long"),
    ):
        with pytest.raises(OSError, match=message):
            saved.check_target(place)
    with pytest.raises(ValueError, match="received an empty path"):
        saved.check_target("")
    saved.check_target(tmp_path / "new" / "deep")
    assert names(tmp_path) == ["file"]  # the look leaves nothing behind


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def steps_of(save, monkeypatch, stop=None):
    """Runs `save`, and dies before its `stop`th change to a file; returns how many there were."""
    count = 0

    def counted(change):
        def step(*arguments, **settings):
            nonlocal count
            if count == stop:
                raise Killed
            count += 1
            return change(*arguments, **settings)

        return step

    with monkeypatch.context() as patch:
        for module, name in (
            (os, "replace"),
            (os, "unlink"),
            (os, "rmdir"),
            (os, "mkdir"),
            (shutil, "copyfile"),
            (Path, "write_bytes"),
            (Path, "write_text"),
        ):
            patch.setattr(module, name, counted(getattr(module, name)))
        with contextlib.suppress(Killed):
            save()
    return count


def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path, monkeypatch):
    def save(directory, content):
        write(directory, {"a": content, content.decode(): b""}, lambda path: path.write_bytes(content), content.decode())

    save(tmp_path / "count", b"old")
    steps = steps_of(lambda: save(tmp_path / "count", b"new"), monkeypatch)
    assert steps > 15
    found = []
    for stop in range(steps):
        directory = tmp_path / str(stop)
        save(directory, b"old")
        steps_of(lambda: save(directory, b"new"), monkeypatch, stop)  # noqa: B023
        _, _, assets, weights = saved.read(directory)
        found.append(assets["a"])
        assert assets == {"a": found[-1], found[-1].decode(): b""} and weights.read_bytes() == found[-1]
        save(directory, b"next")  # goes on from there
        assert names(directory) == ["CARD.md", "assets", "assets/a", "assets/next", "config.json", "model.weights.h5"]
    assert found == sorted(found, reverse=True) and {b"old", b"new"} == set(found)


def test_a_first_save_that_was_killed_is_no_hindrance(tmp_path, monkeypatch):
    for stop in range(6):
        steps_of(lambda: write(tmp_path / str(stop), {"a": b""}), monkeypatch, stop)  # noqa: B023
        write(tmp_path / str(stop), {"a": b"whole"})
        assert saved.read(tmp_path / str(stop))[2] == {"a": b"whole"}


def test_a_full_disk_leaves_the_old_pipeline(tmp_path, other):
    STROKES.pipe.save(tmp_path / "m")
    before, (soft, hard) = names(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for size in (10, 2000, 9000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            with pytest.raises(
                OSError, match=f"{tmp_path}/m: the pipeline cannot be written .File too large.. What was there before is as it"
            ):
                other.save(tmp_path / "m")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert names(tmp_path) == before and answers(seqkit.pipeline(tmp_path / "m")) == answers(STROKES.pipe)
    signal.signal(signal.SIGXFSZ, kept)


def test_who_loads_while_another_saves_reads_again(tmp_path, monkeypatch):
    def save(content):
        write(tmp_path / "m", {"a": content}, lambda path: path.write_bytes(content))

    def load(directory):  # stands for the building of a pipeline, in the middle of which another process saves
        _, _, assets, weights = saved.read(directory)
        if coming:
            save(coming.pop())
        return assets["a"], weights.read_bytes()

    save(b"old")
    coming = [b"newest", b"new"]
    monkeypatch.setattr(presets, "_read", load)
    assert presets._load(tmp_path / "m") == (b"newest", b"newest")


def test_another_place_for_the_parts_is_refused(tmp_path):
    write(tmp_path / "m", {})
    path = tmp_path / "m" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "in": "../elsewhere"}))
    with pytest.raises(ValueError, match=r"unknown keys \['in'\]"):
        saved.read(tmp_path / "m")

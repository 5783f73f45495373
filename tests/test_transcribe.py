"""`seqkit transcribe`, in this process, with a pipeline that streams."""

import json

import numpy as np
import pytest
from cases import LIVE, SPEAKERS, SPEECH, spoken, voiced
from click.testing import CliRunner

from seqkit import cli
from seqkit.media.sounds import write_wave
from seqkit.subtitles import srt, vtt


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    place = tmp_path_factory.mktemp("transcribe") / "live"
    LIVE.pipe.save(place)
    return place


@pytest.fixture(autouse=True)
def loud(monkeypatch):
    """TensorFlow is loaded already, and the runner's stderr has no file descriptor to silence."""
    monkeypatch.setattr(cli, "_quietly", lambda work: work())


def run(*arguments, **options):
    return CliRunner().invoke(cli.main, ["transcribe", *map(str, arguments)], **options)


def test_files_as_text_json_and_subtitles(model, tmp_path):
    paths = [tmp_path / "one.wav", tmp_path / "two.wav"]
    for path, text in zip(paths, ("cab a", "bc")):
        path.write_bytes(write_wave(spoken(text), 16000))
    answers = list(LIVE.pipe(iter(paths), batch_size=1))
    assert run(*paths, "--model", model).stdout.splitlines() == [answer.text for answer in answers]
    rows = [json.loads(line) for line in run(*paths, "--model", model, "--format", "json").stdout.splitlines()]
    assert [row["audio"] for row in rows] == [str(path) for path in paths]
    assert [[word["text"] for word in row["words"]] for row in rows] == [answer.text.split() for answer in answers]
    for row, answer in zip(rows, answers):
        assert [word["start"] for word in row["words"]] == pytest.approx([word.start for word in answer.words], abs=1e-5)
    assert run(paths[0], "--model", model, "--format", "srt").stdout == srt(answers[0].words)
    assert run(paths[0], "--model", model, "--format", "vtt").stdout == vtt(answers[0].words)


def test_live_it_writes_a_line_an_utterance_and_leaves_half_a_sample_out(model):
    samples = np.concatenate([spoken("abc"), np.zeros(24000, np.float32)])
    raw = (samples * 32767).astype("<i2").tobytes() + b"\x01"
    found = run("--live", "--endpoint", "1000", "--model", model, input=raw)
    (expected,) = [a for a in LIVE.pipe.stream([raw[:-1]], endpoint=1000) if a.final]
    assert found.exit_code == 0 and found.stdout == f"{expected.text}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected sound files, or --live"),
        (["a.wav", "--live"], "Expected sound files, or --live"),
        (["--live", "--format", "srt"], "--live writes text or json; received --format srt"),
        (["nowhere.wav", "--model", None], "nowhere.wav"),
    ],
)
def test_what_it_cannot_do_is_one_line(arguments, message, model):
    found = run(*(model if argument is None else argument for argument in arguments))
    assert found.exit_code == 2 and message in found.stderr and found.stderr.count("\n") == 1


def test_a_pipeline_that_does_not_stream_cannot_listen(tmp_path):
    SPEECH.pipe.save(tmp_path / "whole")
    found = run("--live", "--model", tmp_path / "whole", input=b"")
    assert found.exit_code == 2 and "no utterances to tell apart" in found.stderr


def test_a_voice_is_enrolled_and_told_apart(tmp_path):
    SPEAKERS.pipe.save(tmp_path / "voices")
    for place in range(3):
        (tmp_path / f"{place}.wav").write_bytes(write_wave(voiced(1500 + 20 * place, 6000), 16000))
    clips = [str(tmp_path / f"{place}.wav") for place in range(3)]
    told = CliRunner().invoke(
        cli.main, ["enroll", "Cid", *clips, "--model", str(tmp_path / "voices"), "--output", str(tmp_path / "voices")]
    )
    assert told.exit_code == 0, told.output
    rows = CliRunner().invoke(cli.main, ["speakers", *clips, "--model", str(tmp_path / "voices"), "--json"]).stdout
    rows = [json.loads(line) for line in rows.splitlines()]
    assert [row["audio"] for row in rows] == clips
    for row in rows:
        assert max(("Ann", "Bob", "Cid"), key=row["scores"].get) == "Cid"


def test_without_a_bundled_pipeline_one_is_to_be_named(monkeypatch):
    from seqkit import presets

    monkeypatch.delitem(presets.DEFAULTS, "speech-to-text", raising=False)
    result = run("one.wav")
    assert isinstance(result.exception, SystemExit) and "name a directory that was saved: --model" in result.output

"""Recordings in the forms of speech corpora, hand-written here, read as labelled examples, and what each error names."""

import json
import pickle

import numpy as np
import pytest
import soundfile

from seqkit.data.manifests import read_examples, read_located
from seqkit.data.recordings import SOUNDS
from seqkit.data.stretches import Stretch

RATE = 8000


def read(source, columns=None):
    return list(read_examples(source, "audio", "text", columns))


def refusals(source):
    """The error of each example that has one, without the folder."""
    rows = read_located(source, "audio", "text")
    return [str(x).replace(f"{source}/", "") for _, x, _ in rows if isinstance(x, ValueError)]


def sound(path, seconds=1.0, channels=1):
    """Samples that say where in the file they are: a straight line from -0.5 to 0.5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.repeat(np.linspace(-0.5, 0.5, round(seconds * RATE))[:, None], channels, axis=1)
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return path


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", [*SOUNDS, ".FLAC"])
def test_librispeech_is_read_from_any_subfolder_with_any_kind_of_sound(tmp_path, ending):
    first, second = (touch(tmp_path / f"103/1240/103-1240-000{number}{ending}") for number in range(2))
    other = touch(tmp_path / f"14/208/14-208-0000{ending}")
    one = write(tmp_path / "103/1240/103-1240.trans.txt", "103-1240-0000 CHAPTER ONE", "", "103-1240-0001  CAFE\u0301 ")
    write(tmp_path / "14/208/14-208.trans.txt", "14-208-0000\tTHE END")
    write(tmp_path / ".cache/1.trans.txt", "a HIDDEN")
    assert read(tmp_path) == [(first, "CHAPTER ONE"), (second, "CAFÉ"), (other, "THE END")]
    assert read(one) == [(first, "CHAPTER ONE"), (second, "CAFÉ")]
    assert read_examples(one, "audio", "text").name_of(1) == f"{one}, line 3"


def test_librispeech_names_each_line_and_list_that_is_wrong(tmp_path):
    touch(tmp_path / "a.flac")
    write(tmp_path / "1.trans.txt", "a ONE", "b TWO")
    (tmp_path / "2.trans.txt").write_bytes(b"a ONE\na TW\xd6\n")
    missing, encoded = refusals(tmp_path)
    assert missing.startswith("1.trans.txt, line 2: there is no recording b ending in .flac, .wav, ")
    assert encoded.startswith("2.trans.txt, line 2: not UTF-8")
    with pytest.raises(ValueError, match="1.trans.txt, line 2: .* And 1 more; `seqkit check` lists all"):
        read(tmp_path)
    write(tmp_path / "1.trans.txt", "a ONE", "a")
    (tmp_path / "2.trans.txt").unlink()
    with pytest.raises(ValueError, match="1.trans.txt, line 2: expected a text, received ''"):
        read(tmp_path)


def test_ljspeech_is_read_in_its_normalised_text_where_there_is_one(tmp_path):
    names = ("LJ001-0001", "LJ001-0002", "LJ001-0003")
    first, second, _ = (touch(tmp_path / "wavs" / f"{name}.wav") for name in names)
    path = write(
        tmp_path / "metadata.csv",
        f'{names[0]}|"Dr. A|"Doctor A, they said',  # a quote is a sign like others
        f"{names[1]}|in, part, raw|",
        f"{names[1]}|audio, text",
    )
    expected = [(first, '"Doctor A, they said'), (second, "in, part, raw"), (second, "audio, text")]
    assert read(tmp_path) == read(path) == expected
    first.rename(tmp_path / first.name)
    assert read(path)[0] == (tmp_path / first.name, '"Doctor A, they said')


def test_ljspeech_names_each_line_that_is_wrong(tmp_path):
    touch(tmp_path / "wavs/a.wav")
    write(tmp_path / "metadata.csv", "a|one", "a", "b|two", "a|1|2|3")
    assert [error.partition(";")[0][:60] for error in refusals(tmp_path)] == [
        "metadata.csv, line 2: expected the form 'id|raw text|normali",
        "metadata.csv, line 3: there is no recording wavs/b ending in",
        "metadata.csv, line 4: expected the form 'id|raw text|normali",
    ]


def test_a_metadata_with_a_header_is_a_table(tmp_path):
    touch(tmp_path / "a.wav")
    for separator in ",|":
        path = write(tmp_path / "metadata.csv", f"file_name{separator}transcription", f"a.wav{separator}one")
        assert read(path) == [(tmp_path / "a.wav", "one")]


def test_common_voice_is_read_by_its_directory_or_by_any_of_its_tables(tmp_path):
    first, second = (touch(tmp_path / "clips" / f"common_voice_fr_{number}.mp3") for number in range(2))
    header = "client_id\tpath\tsentence_id\tsentence\tup_votes"
    for name in ("validated", "train"):
        rows = [f'x\t{clip.name}\t7\t"{name} {clip.stem[-1]}\t2' for clip in (first, second)]
        write(tmp_path / f"{name}.tsv", header, *rows)
    assert read(tmp_path) == read(tmp_path / "validated.tsv") == [(first, '"validated 0'), (second, '"validated 1')]
    assert read(tmp_path / "train.tsv") == [(first, '"train 0'), (second, '"train 1')]
    assert read(tmp_path, {"text": "client_id"}) == [(first, "x"), (second, "x")]
    first.unlink()
    assert refusals(tmp_path) == ["validated.tsv, line 2: there is no file common_voice_fr_0.mp3."]


@pytest.mark.parametrize("audio", ["audio", "audio_filepath", "path", "file", "file_name", "filename", "wav"])
@pytest.mark.parametrize("text", ["text", "sentence", "transcript", "transcription"])
def test_columns_of_tables_go_by_their_usual_names(tmp_path, audio, text):
    expected = [(touch(tmp_path / "in/a.wav"), "one")]
    csv = write(tmp_path / "m.csv", f"id,{text},{audio}", "7,one,in/a.wav")
    tsv = write(tmp_path / "m.tsv", f"{audio}\t{text}", "in/a.wav\tone")
    lines = write(tmp_path / "m.jsonl", json.dumps({audio: "in/a.wav", text: "one", "duration": 3.5}))
    assert read(csv) == read(tsv) == read(lines) == expected


def test_of_several_usual_names_the_first_is_read_and_what_columns_says_before_it(tmp_path):
    one, two, three = (touch(tmp_path / f"{number}.wav") for number in range(3))
    path = write(tmp_path / "m.csv", "path,audio,mine,sentence,text", "0.wav,1.wav,2.wav,s,t")
    assert read(path) == [(two, "t")]
    assert read(path, {"audio": "mine"}) == [(three, "t")]
    assert read(path, {"audio": "path", "text": "sentence"}) == [(one, "s")]
    with pytest.raises(ValueError, match="no column 'yours'; its columns are 'path', "):
        read(path, {"audio": "yours"})
    with pytest.raises(ValueError, match="no column 'image'"):  # of pictures only `image` is one
        read_examples(path, "image", "text")


def test_nemo_reads_the_stretch_that_offset_and_duration_name(tmp_path):
    path = sound(tmp_path / "a.wav", seconds=2.0)
    rows = [{"audio_filepath": "a.wav", "text": "x", "offset": offset, "duration": 0.5} for offset in (0.0, 1.25, -1, None)]
    whole, samples = write(tmp_path / "m.jsonl", *map(json.dumps, rows[:2])), soundfile.read(path)[0]
    (first, rate), (second, _) = (x for x, _ in read(whole))
    assert rate == RATE and np.array_equal(first, samples[:4000].astype(np.float32))
    assert np.array_equal(second, samples[10000:14000].astype(np.float32))
    write(tmp_path / "m.jsonl", *map(json.dumps, rows))
    with pytest.raises(ValueError, match=r"m.jsonl, line 3: expected a start of 0 s or more .*received -1 s to -0.5 s. And 1 "):
        read(whole)
    write(tmp_path / "m.jsonl", json.dumps(rows[3]))
    with pytest.raises(ValueError, match=r"line 1: expected an offset and a duration in seconds, received None and 0.5"):
        read(whole)


def kaldi(folder, scp, text, segments=()):
    write(folder / "wav.scp", *scp)
    write(folder / "text", *text)
    if segments:
        write(folder / "segments", *segments)
    return folder


def test_kaldi_is_read_from_wav_scp_and_text_in_any_order(tmp_path, monkeypatch):
    beside, absolute = touch(tmp_path / "data/a b.wav"), touch(tmp_path / "b.flac")
    third = touch(tmp_path / "work/c.wav")
    monkeypatch.chdir(tmp_path / "work")
    scp = ("utt-a  a b.wav", f"utt-b {absolute}", "utt-c c.wav")
    folder = kaldi(tmp_path / "data", scp, ("utt-b two  words", "utt-c three", "utt-a one"))
    kaldi(folder / "split2/1", (f"utt-a {beside}",), ("utt-a one",))
    assert read(folder) == [(beside, "one"), (absolute, "two  words"), (third, "three")]
    assert read(folder / "wav.scp") == read(folder) == read(tmp_path)
    assert read(folder / "split2") == [(beside, "one")]


def test_kaldis_segments_are_cut_when_they_are_asked_for(tmp_path):
    path = sound(tmp_path / "call.wav", seconds=3.0, channels=2)
    segments = ("call-2 call 0.5 1.25", "call-1 call 2.5 -1", "call-3 call 2.75 3.4")  # the last within half a second
    folder = kaldi(tmp_path, ("call call.wav",), ("call-1 one", "call-2 two", "call-3 three"), segments)
    samples = soundfile.read(path, dtype="float32")[0]
    cuts = [samples[4000:10000], samples[20000:], samples[22000:]]
    for (found, rate), expected in zip((x for x, _ in read(folder)), cuts):
        assert rate == RATE and found.dtype == np.float32 and np.array_equal(found, expected)
    assert [y for _, y in read(folder)] == ["two", "one", "three"]


def test_kaldis_commands_and_missing_parts_are_each_named(tmp_path):
    touch(tmp_path / "a.wav")
    scp = ("a a.wav", "b sph2pipe -f wav b.sph |", "c c.wav", "d", "e a.wav")
    kaldi(tmp_path, scp, ("a one", "b two", "c three", "d four", "f six"))
    command, missing, none, untold, unheard = refusals(tmp_path)
    assert command == (
        "wav.scp, line 2: expected a file, received the command 'sph2pipe -f wav b.sph |'; "
        "run it yourself and name the file it writes."
    )
    assert missing.startswith("wav.scp, line 3: there is no file 'c.wav', neither from ")
    assert none.startswith("wav.scp, line 4: there is no file ''")
    assert untold == "wav.scp, line 5: no text is with 'e'; expected a line for it in text."
    assert unheard == "text, line 5: no recording is with 'f'; expected a line for it in wav.scp."


def test_kaldis_segments_that_are_none_are_each_named(tmp_path):
    touch(tmp_path / "a.wav")
    wrong = ("1 a 0 x", "2 a 3", "3 a 2 1", "4 b 0 1", "5 c 0 1", "6 a nan 1", "7 a 0 1")
    kaldi(tmp_path, ("a a.wav", "c touch c |"), [f"{number} text" for number in range(1, 7)], wrong)
    time, few, order, unknown, command, nan, untold = refusals(tmp_path)
    assert time == few.replace("line 2", "line 1").replace("'a 3'", "'a 0 x'")
    assert few == "segments, line 2: expected a recording and two times in seconds, such as 'a 0.5 2.25', received 'a 3'."
    assert order == "segments, line 3: expected a start of 0 s or more and a later end; received 2 s to 1 s."
    assert unknown == "segments, line 4: there is no recording 'b' in wav.scp."
    assert command.startswith("segments, line 5: wav.scp, line 2: expected a file, received the command 'touch c |'")
    assert nan.endswith("received nan s to 1 s.")
    assert untold == "segments, line 7: no text is with '7'; expected a line for it in text."


def test_kaldis_lists_that_cannot_be_used_are_named(tmp_path):
    touch(tmp_path / "a.wav")
    kaldi(tmp_path, ("a a.wav", "a a.wav"), ("a one",))
    assert refusals(tmp_path) == ["wav.scp, line 2: 'a' comes a second time, after wav.scp, line 1; take one of the two out."]
    (tmp_path / "text").unlink()
    assert refusals(tmp_path) == ["there is no file text; expected wav.scp and text in one directory."]


def test_a_stretch_can_be_pickled_and_is_refused_by_name_once_its_file_is_gone_or_too_short(tmp_path):
    path = sound(tmp_path / "a.wav", seconds=1.0)
    folder = kaldi(tmp_path, ("a a.wav",), ("a-1 one",), ("a-1 a 0.25 1.5",))
    stretch = pickle.loads(pickle.dumps(Stretch(path, 0.25, 1.5)))
    assert stretch == Stretch(path, 0.25, 1.5) and len(stretch.read()[0]) == 6000
    examples = read_examples(folder, "audio", "text")
    sound(path, seconds=0.9)
    with pytest.raises(ValueError, match=r"segments, line 1: .*a.wav: expected a recording up to 1.5 s; it holds 0.90 s."):
        examples[0]
    sound(path, seconds=0.2)
    with pytest.raises(ValueError, match="it holds 0.20 s"):
        Stretch(path, 0.25, 0.5).read()
    for spoil in (lambda: path.write_text("hello"), path.unlink):
        spoil()
        with pytest.raises(ValueError, match="segments, line 1: .*a.wav: expected a recording, whole; "):
            examples[0]


@pytest.mark.parametrize("ending", [".flac", ".ogg"])
def test_a_stretch_of_a_compressed_file_is_that_of_the_whole(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    soundfile.write(path, 0.3 * np.sin(np.arange(2 * RATE) / 9), RATE)
    whole = soundfile.read(path, dtype="float32")[0]
    assert np.allclose(Stretch(path, 0.75, 1.5).read()[0], whole[6000:12000], atol=1e-6)


def test_other_paths_are_refused(tmp_path):
    for source, received in ((tmp_path, "a directory without any"), (touch(tmp_path / "a.wav"), "'.wav'")):
        with pytest.raises(ValueError, match=f"expected a manifest, or recordings with .* or wav.scp; received {received}"):
            read(source)
    for name in ("nowhere", "metadata.csv"):
        with pytest.raises(FileNotFoundError, match=f"There is no .*{name}"):
            read(tmp_path / name)


def test_recordings_with_labels_lie_in_folders_named_so(tmp_path):
    for label, names in (("Ann", ("a.wav", "deeper.FLAC")), ("Bob", ("b.ogg",)), (".hidden", ("c.wav",))):
        for name in names:
            (tmp_path / label).mkdir(exist_ok=True)
            soundfile.write(tmp_path / label / name, np.zeros(800), 16000)
    (tmp_path / "Ann" / "notes.txt").write_text("none")
    examples = read_examples(tmp_path, "audio", "label")
    assert [(x.name, y) for x, y in examples] == [("a.wav", "Ann"), ("deeper.FLAC", "Ann"), ("b.ogg", "Bob")]
    assert examples.name_of(2) == str(tmp_path / "Bob" / "b.ogg")
    soundfile.write(tmp_path / "astray.wav", np.zeros(800), 16000)
    with pytest.raises(ValueError, match="astray.wav: expected recordings in folders named as their labels"):
        read_examples(tmp_path, "audio", "label")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="There are no examples"):
        read_examples(tmp_path / "nothing", "audio", "label")

"""Data looked over: what each check finds, counted by hand, and what is said where there is nothing to find."""

import json
import wave
import zlib

import numpy as np
import pytest
import soundfile
from cases import HANDWRITING
from PIL import Image

from seqkit.data.check import check
from seqkit.frontends.image import ImageFrontend


def draw(path, width=200, height=48, seed=None):
    """Upright strokes of chance shades, so that no two pictures are the same, and each has a frame every few pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shades = np.full((height, width), 255, np.uint8)
    ink = np.random.default_rng(seed or zlib.crc32(str(path).encode())).integers(0, 60, (height, width), np.uint8)
    inked = np.ix_(np.arange(height // 6, height - height // 6), np.flatnonzero(np.arange(width) % 7 == 2))
    shades[inked] = ink[inked]
    Image.fromarray(shades).save(path)
    return path


def lines(path, *texts, widths=None, seeds=None):
    """A manifest of pictures, 0.png and so on, in a folder named after it."""
    rows = []
    for number, text in enumerate(texts):
        name = f"{path.stem}/{number}.png"
        draw(path.parent / name, *([widths[number]] if widths else [200]), seed=seeds and seeds[number])
        rows.append(f"{name}\t{text}\n")
    path.write_text("image\ttext\n" + "".join(rows), encoding="utf-8")
    return path


def speak(path, samples, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())


def tone(seconds=1.0, loudness=0.5, pitch=440, rate=8000):
    return loudness * np.sin(np.arange(int(seconds * rate)) * pitch * 2 * np.pi / rate)


def labels(path, *rows):
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")
    return path


def found(*sources):
    """Kind of a finding -> its severity and items."""
    return {finding.kind: (finding.severity, finding.items) for finding in check(sources).findings}


def test_good_lines_are_ready_and_counted(tmp_path):
    report = check([lines(tmp_path / "train.tsv", "abba", "baab"), lines(tmp_path / "test.tsv", "aabb")])
    assert report.kind == "image" and report.ready and report.findings == ()
    assert report.sets == {
        "train": "2 examples, 8 characters, 2 different ones",
        "test": "1 examples, 4 characters, 2 different ones",
    }


def test_files_that_cannot_be_read_are_each_named_with_the_reason(tmp_path):
    path = lines(tmp_path / "train.tsv", *["abab"] * 4)
    (tmp_path / "train/0.png").unlink()
    (tmp_path / "train/1.png").write_bytes(b"")
    whole = (tmp_path / "train/2.png").read_bytes()
    (tmp_path / "train/2.png").write_bytes(whole[: len(whole) // 2])
    report = check([path])
    (finding,) = (finding for finding in report.findings if finding.kind == "unreadable")
    missing, empty, cut = finding.items
    assert missing == "train.tsv, line 2: there is no file train/0.png."
    assert empty.startswith("train/1.png: ") and "the file is empty" in empty
    assert cut.startswith("train/2.png: ") and "cut off or damaged" in cut
    assert not report.ready and finding.severity == "error"
    assert report.sets == {"train": "1 examples, 4 characters, 2 different ones"}


@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPEG", ".tif"])
def test_half_a_picture_of_any_format_is_unreadable(tmp_path, ending):
    path = draw(tmp_path / f"a{ending}")
    (tmp_path / "a.gt.txt").write_text("abab")
    assert "unreadable" not in found(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    severity, (item,) = found(tmp_path)["unreadable"]
    assert severity == "error" and f"a{ending}: expected a whole picture" in item


def test_bad_pairs_are_all_listed_where_reading_stops_at_the_first(tmp_path):
    for name in "abc":
        draw(tmp_path / f"{name}.png")
    (tmp_path / "d.gt.txt").write_text("d")
    assert len(found(tmp_path)["unreadable"][1]) == 4


def strokes(path, text, count, apart=8):
    """A line of `count` upright strokes, `apart` pixels from each other, in a manifest with its text."""
    path.parent.mkdir(exist_ok=True)
    shades = np.full((60, 40 + count * apart), 255, np.uint8)
    for number in range(count):
        shades[10:50, 20 + number * apart : 22 + number * apart] = 0
    Image.fromarray(shades).save(path.with_suffix(".png"))
    path.write_text(f"image\ttext\n{path.stem}.png\t{text}\n")
    return path


def test_a_line_has_to_have_as_many_frames_as_ctc_needs_and_as_fit_gives_it(tmp_path):
    """The most letters that one line has room for, found by asking; two that are equal need one frame more."""
    path = strokes(tmp_path / "t.tsv", "", count=6)
    letters = "abcdefghijklmnopqrstuvwxyz"
    frames = next(
        count for count in range(1, 26) if "too long a text for its picture" in found(strokes(path, letters[: count + 1], 6))
    )
    assert check([strokes(path, letters[: frames - 2] + letters[frames - 3], 6)]).ready
    assert not check([strokes(path, letters[: frames - 1] + letters[frames - 2], 6)]).ready
    with pytest.raises(ValueError, match=rf"needs {frames + 1} frames; the input gives {frames}"):
        HANDWRITING.build(height=48, order=0).fit(path, epochs=1, verbose=False)
    (item,) = found(strokes(path, "abba" * 5, count=3))["too long a text for its picture"][1]
    assert item.startswith("t.png (needs 29 frames, has ")  # 20 letters, and twice in each but the last, once there


def test_empty_texts_of_lines_are_errors(tmp_path):
    path = lines(tmp_path / "t.tsv", "ab", "  ", "ab")
    assert found(path)["empty texts"] == ("error", ("t/1.png",))


def test_a_picture_of_one_shade_is_blank(tmp_path):
    path = lines(tmp_path / "t.tsv", "ab", "ab")
    Image.new("L", (200, 48), 255).save(tmp_path / "t/1.png")
    assert found(path)["pictures of one shade"] == ("warning", ("t/1.png",))


def test_widths_far_from_the_median_are_named_the_farthest_first(tmp_path):
    """Of 2 letters: 10 pixels a letter in the median; 3 and 35 are more than three times off, 4 and 30 are not."""
    path = lines(tmp_path / "t.tsv", *["ab"] * 7, widths=[20, 20, 20, 8, 60, 6, 80])
    severity, items = found(path)["unusual length for their text"]
    assert severity == "warning" and items == ("t/6.png (4.00 times the median)", "t/5.png (0.30 times the median)")


def test_the_same_picture_in_two_sets_is_found_under_any_name_and_format(tmp_path):
    train = lines(tmp_path / "train.tsv", "abab", "baba", seeds=[1, 2])
    test = lines(tmp_path / "test.tsv", "abba", "aabb", seeds=[3, 4])
    assert "the same in several sets" not in found(train, test)
    Image.open(tmp_path / "train/1.png").save(tmp_path / "test/0.png", compress_level=0)
    assert found(train, test)["the same in several sets"] == ("warning", ("train/1.png = test/0.png",))
    assert found(train, test)["the same with different answers"] == (
        "warning",
        ("train/1.png ('baba') = test/0.png ('abba')",),
    )


def test_the_same_picture_twice_in_one_set_is_wrong_only_with_two_texts(tmp_path):
    path = lines(tmp_path / "t.tsv", "abab", "abab", seeds=[1, 1])
    assert found(path) == {}
    path = lines(tmp_path / "t.tsv", "abab", "baba", seeds=[1, 1])
    assert list(found(path)) == ["the same with different answers"]


def test_the_same_text_in_two_sets_is_a_note(tmp_path):
    train, test = lines(tmp_path / "train.tsv", "abab", "abab", "a bb a"), lines(tmp_path / "test.tsv", "a bb a", "abab")
    report = check([train, test])
    assert report.ready
    assert found(train, test) == {
        "the same text in several sets": (
            "note",
            ("'abab' in train/0.png = test/1.png", "'a bb a' in train/2.png = test/0.png"),
        )
    }


def test_characters_that_are_unknown_or_rare_are_counted_in_the_first_set(tmp_path):
    train, test = lines(tmp_path / "train.tsv", "abab", "abbaç"), lines(tmp_path / "test.tsv", "aaça", "eßeb")
    assert found(train, test) == {
        "characters unknown to the first set": ("warning", ("'e' U+0065 (2 in test)", "'ß' U+00DF (1 in test)")),
        "characters seen once": ("note", ("'ç' U+00E7 in train/1.png",)),
    }


def test_control_characters_and_texts_that_are_not_composed_are_named(tmp_path):
    for name, text in (("a", "ab\nab"), ("b", "ab\u200bab"), ("c", "e\u0301e\u0301ab"), ("d", "ab\n"), ("e", "aéa")):
        draw(tmp_path / "d" / f"{name}.png")
        (tmp_path / "d" / f"{name}.gt.txt").write_text(text, encoding="utf-8")
    what = found(tmp_path / "d")
    assert what["control characters"] == ("warning", (r"d/a.png ('ab\nab')", r"d/b.png ('ab\u200bab')"))
    assert what["texts not in NFC"] == ("note", ("d/c.png",))


def test_lines_of_a_page_that_nobody_transcribed_are_a_note(tmp_path):
    from test_crops import BOX, TEXT, page, page_line, page_xml

    page(tmp_path / "p.png")
    path = tmp_path / "p.xml"
    path.write_text(page_xml(page_line("l1", BOX, TEXT) + page_line("l2", BOX, "") + page_line("l3", "", TEXT)))
    what = found(path)
    assert what["lines of pages without text"] == ("note", ("p.xml, line l2",))
    assert what["unreadable"][1] == ("p.xml, line l3: expected a box or a polygon of three points or more, received 0.",)
    path.write_text(page_xml(page_line("l2", BOX, "") + page_line("l4", "0,0 3,0 3,39", TEXT.replace("one", "one more"))))
    assert list(found(path))[:2] == ["too long a text for its picture", "lines of pages without text"]  # errors first
    path.write_text(page_xml(page_line("l2", BOX, "")))
    assert found(path)["unreadable"] == ("error", ("p.xml: there are no examples.",))


def test_sets_are_found_in_a_directory_in_the_order_of_training(tmp_path):
    lines(tmp_path / "test.tsv", "abba")
    for name in ("train", "dev", "old"):
        draw(tmp_path / name / "a.png")
        (tmp_path / name / "a.gt.txt").write_text("abab")
    report = check([tmp_path])
    assert list(report.sets) == ["train", "dev", "test"] and report.ready  # `test/` is where the manifest has its pictures
    assert list(check([tmp_path / "old"]).sets) == ["old"]


def test_sets_of_one_name_are_told_apart_by_their_paths(tmp_path):
    paths = [tmp_path / "a" / "t.tsv", tmp_path / "b" / "t.tsv"]
    for path in paths:
        path.parent.mkdir()
        lines(path, "abba")
    assert list(check(paths).sets) == list(map(str, paths))


def test_a_set_without_rows_is_an_error(tmp_path):
    (tmp_path / "dev.tsv").write_text("image\ttext\n")
    what = found(lines(tmp_path / "train.tsv", "abba"), tmp_path / "dev.tsv")
    assert what == {"unreadable": ("error", ("dev.tsv: there are no examples.",))}


def test_sources_that_cannot_be_compared_are_refused(tmp_path):
    train = lines(tmp_path / "train.tsv", "abba")
    with pytest.raises(ValueError, match="Expected examples of one kind, image or audio .* or pairs; received .*'l': 'text'"):
        check([train, labels(tmp_path / "l.tsv", ("a", "b"))])
    (tmp_path / "e.tsv").write_text("")
    with pytest.raises(ValueError, match="received {'e': None}"):
        check([tmp_path / "e.tsv"])
    (tmp_path / "f.tsv").write_text("file\ttext\na\tb\n")
    with pytest.raises(ValueError, match=r"f.tsv: expected the columns 'image' and 'text' or .*; received \['file', 'text'\]"):
        check([tmp_path / "f.tsv"])
    with pytest.raises(FileNotFoundError, match="There is no .*nowhere"):
        check([tmp_path / "nowhere"])


def test_sound_is_measured(tmp_path):
    """Beside good ones: silence, a clipped tone, a low rate, and one of 4 seconds, where the others last one."""
    speak(tmp_path / "good.wav", tone())
    speak(tmp_path / "silent.wav", np.zeros(8000))
    speak(tmp_path / "clipped.wav", np.clip(tone(loudness=3.0), -1, 1))
    speak(tmp_path / "loud.wav", [1.0] * 80 + [0.5] * 7920)  # one in a hundred at full scale
    speak(tmp_path / "low.wav", tone(rate=4000), rate=4000)
    speak(tmp_path / "slow.wav", tone(4.0))
    names = ("good", "silent", "clipped", "loud", "low", "slow")
    (tmp_path / "t.tsv").write_text("audio\ttext\n" + "".join(f"{name}.wav\tab\n" for name in names))
    report = check([tmp_path / "t.tsv"])
    assert report.kind == "audio" and report.ready
    assert report.sets == {"t": "6 examples, 0.1 minutes, 12 characters, 2 different ones"}  # 9 seconds
    assert found(tmp_path / "t.tsv") == {
        "silent": ("warning", ("silent.wav",)),
        "clipped": ("warning", ("clipped.wav",)),
        "sample rates": ("note", ("8000 Hz (5)", "4000 Hz (1)")),
        "unusual length for their text": ("warning", ("slow.wav (4.00 times the median)",)),
    }


def test_sound_that_cannot_be_read_in_full_is_an_error(tmp_path):
    speak(tmp_path / "cut.wav", tone())
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:8044])  # of 44 + 16000 bytes
    speak(tmp_path / "none.wav", [])
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("hello")
    names = ("cut", "none", "empty", "text")
    (tmp_path / "t.tsv").write_text("audio\ttext\n" + "".join(f"{name}.wav\tab\n" for name in names))
    severity, (cut, none, empty, text) = found(tmp_path / "t.tsv")["unreadable"]
    assert severity == "error"
    assert cut == "cut.wav: expected audio, whole; it holds 8044 of 16044 bytes."
    assert none == "none.wav: expected audio, whole; it holds 0 of 0 samples."
    assert empty == "empty.wav: expected audio, whole; the file is empty."
    assert text.startswith("text.wav: expected audio, whole; ")


def test_sound_other_than_wav_is_read_too(tmp_path):
    soundfile.write(tmp_path / "a.flac", tone(rate=16000), 16000)
    (tmp_path / "t.tsv").write_text("audio\ttext\na.flac\tabba\n")
    assert found(tmp_path / "t.tsv") == {}
    (tmp_path / "a.flac").write_bytes((tmp_path / "a.flac").read_bytes()[:2000])
    assert "a.flac: expected audio, whole" in found(tmp_path / "t.tsv")["unreadable"][1][0]


def spoken(path, *rows, rate=16000):
    """A manifest of recordings, each as its text and samples, 0.wav and so on in a folder named after it."""
    (path.parent / path.stem).mkdir(exist_ok=True)
    for number, (_, samples) in enumerate(rows):
        speak(path.parent / path.stem / f"{number}.wav", samples, rate)
    texts = "".join(f"{path.stem}/{number}.wav\t{text}\n" for number, (text, _) in enumerate(rows))
    path.write_text("audio\ttext\n" + texts, encoding="utf-8")
    return path


def noise(seconds, seed, rate=16000):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate))


def test_recordings_of_one_value_are_silent_and_of_more_than_a_hundredth_at_the_extremes_clipped(tmp_path):
    rows = [("abab", np.full(16000, 0.25)), ("baba", np.r_[[-1.0] * 161, noise(1.0, 1)[161:]])]
    rows += [("abba", np.r_[[-1.0] * 160, noise(1.0, 2)[160:]])]
    what = found(spoken(tmp_path / "t.tsv", *rows))
    assert what == {"silent": ("warning", ("t/0.wav",)), "clipped": ("warning", ("t/1.wav",))}


def test_recordings_shorter_than_a_tenth_of_a_second_are_named(tmp_path):
    path = spoken(tmp_path / "t.tsv", *((text, noise(seconds, 1)) for text, seconds in (("ab", 0.099), ("ba", 0.1))))
    assert found(path)["shorter than 0.1 s"] == ("warning", ("t/0.wav (0.099 s)",))


def test_rates_below_16_khz_are_told_where_all_are_the_same_too(tmp_path):
    assert "sample rates" not in found(spoken(tmp_path / "t.tsv", ("abab", noise(1.0, 1))))
    path = spoken(tmp_path / "t.tsv", ("abab", noise(1.0, 1)), rate=15999)
    assert found(path)["sample rates"] == ("note", ("15999 Hz (1)",))


def test_texts_that_nobody_could_speak_in_the_time_are_named(tmp_path):
    """30 and half a character a second are still believed."""
    rows = [("ab" * 15, 1.0), ("ab" * 15 + "b", 1.0), ("ab", 4.0), ("a", 2.25)]
    path = spoken(tmp_path / "t.tsv", *((text, noise(seconds, seed)) for seed, (text, seconds) in enumerate(rows)))
    names = ("t/1.wav (31.0 characters a second)", "t/3.wav (0.4 characters a second)")
    assert found(path)["implausible pace"] == ("warning", names)


def test_a_recording_twice_in_one_set_is_a_note_and_silence_is_no_copy(tmp_path):
    rows = [("abab", noise(1.0, 1)), ("abab", noise(1.0, 1)), ("baba", np.zeros(16000)), ("abba", np.zeros(16000))]
    train = spoken(tmp_path / "train.tsv", *rows)
    assert found(train)["the same twice in one set"] == ("note", ("train/0.wav = train/1.wav",))
    other = spoken(tmp_path / "other.tsv", ("abab", noise(1.0, 2)))
    assert "the same twice in one set" not in found(spoken(tmp_path / "train.tsv", rows[0]), other)


def test_capitals_beside_small_letters_are_told_but_not_short_words_in_capitals(tmp_path):
    rows = [("abab", noise(1.0, 1)), ("BAB", noise(1.0, 2)), ("Baba", noise(1.0, 3))]
    assert "mixed letter case" not in found(spoken(tmp_path / "t.tsv", *rows))
    path = spoken(tmp_path / "t.tsv", *rows, ("AB, AB", noise(1.0, 4)))
    items = ("1 in capitals, such as t/3.wav", "2 with small letters, such as t/0.wav")
    assert found(path)["mixed letter case"] == ("warning", items)
    assert "mixed letter case" not in found(spoken(tmp_path / "t.tsv", ("ABAB", noise(1.0, 1)), ("シシシシ", noise(1.0, 2))))


def test_corpora_of_speech_are_told_from_pictures_and_looked_over(tmp_path):
    kaldi, common, lj, libri = (tmp_path / name for name in ("kaldi", "common", "lj", "libri"))
    for folder in (kaldi, common, lj, libri):
        folder.mkdir()
        for number in range(2):
            speak(folder / f"{number}.wav", noise(number + 1.0, number), rate=16000)
    (kaldi / "wav.scp").write_text("0 0.wav\n1 1.wav\n")
    (kaldi / "text").write_text("0-a abab\n1-a baba\n1-b abba\n")
    (kaldi / "segments").write_text("0-a 0 0 0.5\n1-a 1 0.5 1\n1-b 1 1.5 2.75\n")
    (common / "validated.tsv").write_text("path\tsentence\n0.wav\tabab\n1.wav\tbaba\n")
    (lj / "metadata.csv").write_text("0|abab\n1|baba\n")
    (libri / "1.trans.txt").write_text("0 abab\n1 baba\n")
    for folder in (common, common / "validated.tsv", lj, lj / "metadata.csv", libri):
        report = check([folder])
        assert report.kind == "audio" and report.findings == ()
        assert list(report.sets.values()) == ["2 examples, 0.1 minutes, 8 characters, 2 different ones"]
    severity, (item,) = found(kaldi)["unreadable"]
    assert severity == "error" and item.startswith("kaldi/segments, line 3: ") and "up to 2.75 s; it holds 2.00 s" in item
    assert check([kaldi]).sets == {"kaldi": "2 examples, 0.0 minutes, 8 characters, 2 different ones"}  # of one second
    (kaldi / "0.wav").unlink()
    assert len(found(kaldi)["unreadable"][1]) == 2


def test_usual_names_of_columns_are_those_of_sound_only_where_files_end_as_sound_does(tmp_path):
    path = tmp_path / "t.csv"
    for row, columns in (("a.wav,x,y", None), ("x,a.FLAC,y", {"audio": "sentence", "text": "z"})):
        path.write_text(f"path,sentence,z\n{row}\n")
        assert check([path], columns).kind == "audio"
    path.write_text("path,text\na.png,y\n")
    with pytest.raises(ValueError, match=r"expected the columns .*; received \['path', 'text'\]"):
        check([path])


def test_paths_of_no_form_are_refused_with_all_that_there_are(tmp_path):
    with pytest.raises(ValueError, match="or lines as .*gt.txt.*, or recordings with .*; received a directory without any"):
        check([tmp_path])


def test_texts_and_their_labels_are_looked_over(tmp_path):
    train = labels(tmp_path / "train.tsv", ("a film", "good"), ("a bore", "bad"), ("", "bad"), ("so so", "god"), ("b", "good"))
    test = labels(tmp_path / "test.tsv", ("a film", "good"), ("a bore ", "good"), ("new", "ugly"))
    report = check([train, test])
    assert report.kind == "text" and report.ready
    assert report.sets["train"] == "5 examples, 'good': 2, 'bad': 2, 'god': 1"
    assert found(train, test) == {
        "empty texts": ("warning", ("train.tsv, line 4",)),
        "the same in several sets": (
            "warning",
            ("train.tsv, line 2 = test.tsv, line 2", "train.tsv, line 3 = test.tsv, line 3"),
        ),
        "the same with different answers": ("warning", ("train.tsv, line 3 ('bad') = test.tsv, line 3 ('good')",)),
        "labels unknown to the first set": ("warning", ("'ugly' (1 in test)",)),
        "labels seen once": ("warning", ("'god' in train.tsv, line 5",)),
    }


def test_one_label_teaches_nothing(tmp_path):
    path = labels(tmp_path / "t.tsv", ("a", "good"), ("b", "good"))
    assert found(path) == {"one label only": ("error", ("'good'",))}
    assert not check([path]).ready


def test_a_manifest_that_cannot_be_read_on_says_where(tmp_path):
    path = labels(tmp_path / "t.jsonl")
    path.write_text('{"text": "a", "label": "b"}\n{"text": "a", "label": "c"}\n{oops\n')
    assert "t.jsonl, line 3: not JSON" in found(path)["unreadable"][1][0]
    path.write_text('{"text": 7, "label": "b"}\n{"text": "a", "label": ["c"]}\n')
    assert found(path)["unreadable"][1] == (
        "t.jsonl, line 1: expected a text, received int 7.",
        "t.jsonl, line 2: expected one label, as a text or a number, received ['c'].",
    )


def test_a_manifest_in_another_encoding_is_refused_by_line(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes("text\tlabel\ncaf\xe9\tgood\n".encode("latin-1"))
    assert "t.tsv, line 2: not UTF-8" in found(path)["unreadable"][1][0]


def test_names_are_shortened_by_whole_folders_only(tmp_path, monkeypatch):
    """In the folder `a`, `data/0.png` is not `dat0.png`."""
    (tmp_path / "a").mkdir()
    lines(tmp_path / "a" / "data.tsv", "")
    monkeypatch.chdir(tmp_path)
    assert found("a/data.tsv")["empty texts"] == ("error", ("data/0.png",))


def test_those_that_say_nothing_are_no_copies_of_each_other(tmp_path):
    train, test = lines(tmp_path / "train.tsv", "", "ba"), lines(tmp_path / "test.tsv", "", "ab")
    for path in ("train/1.png", "test/1.png"):
        Image.new("L", (200, 48), 255).save(tmp_path / path)
    assert {"empty texts", "pictures of one shade"} <= set(found(train, test))
    assert not any("the same" in kind for kind in found(train, test))
    train, test = (
        labels(tmp_path / "a.tsv", ("", "x"), ("", "y"), ("x", "x"), ("y", "y")),
        labels(tmp_path / "b.tsv", ("", "x")),
    )
    assert list(found(train, test)) == ["empty texts"]


def test_labels_that_are_empty_are_errors_and_all_are_shown_as_they_are(tmp_path):
    rows = [("a", "good"), ("b", "bad"), ("c", ""), ("d", " "), ("e", "good "), ("f", "bad"), ("g", "good"), ("h", "good ")]
    path = labels(tmp_path / "t.tsv", *rows)
    report = check([path])
    assert not report.ready
    assert found(path)["empty labels"] == ("error", ("t.tsv, line 4", "t.tsv, line 5"))
    assert report.sets["t"] == "8 examples, 'good': 2, 'bad': 2, 'good ': 2, '': 1, ' ': 1"


def test_rows_that_fit_refuses_are_listed_and_the_others_looked_over(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\na,x\nb, c,y\nd\ne,y\n")
    report = check([tmp_path / "t.csv"])
    assert not report.ready and report.sets == {"t": "2 examples, 'x': 1, 'y': 1"}
    severity, (more, less) = found(tmp_path / "t.csv")["unreadable"]
    assert severity == "error" and more.startswith("t.csv, line 3: 3 cells") and less.startswith("t.csv, line 4: 1 cell")


def test_glyphs_are_looked_over_too(tmp_path):
    rows = [([[0, 0], [3, 4]], 1), ([[0, 0], [3, 4]], 0), ([[0, 0], [0, 9]], 1), ([], 0), ([[0, 0], [None, 1]], 1), ("x", 0)]
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    train.write_text("".join(json.dumps({"points": x, "label": y}) + "\n" for x, y in rows))
    test.write_text(json.dumps({"points": [[5, 5], [8, 9]], "label": 2}))  # moved, it is the same glyph
    report = check([train, test])
    assert report.kind == "points" and report.sets == {"train": "3 examples, 1: 2, 0: 1", "test": "1 examples, 2: 1"}
    what = found(train, test)
    severity, (none, nan, text) = what["unreadable"]
    assert severity == "error" and none.startswith("train.jsonl, line 4: expected at least one pen point")
    assert nan.startswith("train.jsonl, line 5: ") and text.startswith("train.jsonl, line 6: expected points")
    assert what["the same in several sets"][1] == ("train.jsonl, line 1 = test.jsonl, line 1",)
    assert what["labels unknown to the first set"][1] == ("2 (1 in test)",)


def test_columns_may_go_by_other_names(tmp_path):
    (tmp_path / "t.csv").write_text("review,stars\na,1\nb,2\nc,1\nd,2\n")
    report = check([tmp_path / "t.csv"], {"text": "review", "label": "stars"})
    assert report.kind == "text" and report.ready
    with pytest.raises(ValueError, match="no column 'sterne'; its columns are 'review', 'stars'"):
        check([tmp_path / "t.csv"], {"text": "review", "label": "sterne"})


def sixteen(path):
    """8 bits in 16, as some scanners write them."""
    Image.fromarray(np.asarray(Image.open(draw(path.with_suffix(".png")))).astype(np.uint16)).save(path)


@pytest.mark.parametrize(
    "name, write",
    [
        ("a.jp2", lambda path: Image.open(draw(path.with_suffix(".png"))).save(path)),
        ("a.ppm", draw),
        ("a.avif", draw),
        ("a.png", lambda path: draw(path, width=9000, height=30)),  # 300 times as wide
        ("a.png", lambda path: Image.new("1", (18000, 3000), 1).save(path)),
        ("a.jpg", lambda path: draw(path) and path.write_bytes(path.read_bytes()[:-1])),
        ("a.gif", lambda path: Image.new("L", (60, 40)).save(path, save_all=True, append_images=[Image.new("L", (60, 40), 9)])),
        ("a.tif", sixteen),
        ("a.tif", lambda path: Image.fromarray(np.full((40, 200), 0.5, np.float32)).save(path)),
        ("a.tif", lambda path: Image.fromarray(np.full((40, 200), -1.0, np.float32)).save(path)),
        ("a.tif", lambda path: Image.fromarray(np.full((40, 200), 70_000, np.int32)).save(path)),
        ("a.tif", lambda path: Image.frombytes("LAB", (200, 40), bytes(24_000)).save(path)),
        ("a.png", lambda path: Image.new("LA", (200, 40)).save(path)),
    ],
)
def test_a_picture_is_refused_by_check_where_fit_refuses_it_and_for_the_same_reason(tmp_path, name, write):
    write(tmp_path / name)
    (tmp_path / "t.tsv").write_text(f"image\ttext\n{name}\ta\n")
    try:
        ImageFrontend().collate([tmp_path / name])
    except ValueError as error:
        assert found(tmp_path / "t.tsv")["unreadable"][1] == (str(error).replace(f"Item 0 ({name})", name),)
    else:
        assert "unreadable" not in found(tmp_path / "t.tsv")


def test_recordings_with_labels_are_checked_as_sounds(tmp_path):
    random = np.random.default_rng(0)
    for split, labels in (("train", ("Ann", "Bob")), ("dev", ("Ann", "Cid"))):
        for label in labels:
            (tmp_path / split / label).mkdir(parents=True)
            for place in range(3):
                soundfile.write(tmp_path / split / label / f"{place}.wav", random.uniform(-0.5, 0.5, 16000), 16000)
    silent = tmp_path / "train" / "Bob" / "silent.wav"
    soundfile.write(silent, np.zeros(16000), 16000)
    report = check([tmp_path])
    assert report.kind == "sounds" and report.sets["train"] == "7 examples, 0.1 minutes, 'Bob': 4, 'Ann': 3"
    findings = {finding.kind: finding for finding in report.findings}
    assert [item.rpartition("/")[2] for item in findings["silent"].items] == ["silent.wav"]
    assert any("Cid" in item for finding in report.findings for item in finding.items)
    table = tmp_path / "t.csv"
    table.write_text("audio,label\ntrain/Ann/0.wav,Ann\ntrain/Bob/0.wav,Bob\n")
    assert check([table]).kind == "sounds"


LONG = (
    "The station is behind the old church, and the last train leaves shortly before midnight.",
    "Der Bahnhof liegt hinter der alten Kirche, und der letzte Zug fährt kurz vor Mitternacht ab.",
)


def test_pairs_of_sentences_are_looked_over(tmp_path):
    train = [LONG, ("One dog.", "Ein Hund."), ("One dog.", "Ein Hund."), ("Berlin", "Berlin"), LONG[::-1]]
    train += [(f"We saw {number} dogs.", f"Wir sahen {number} Hunde.") for number in range(4)]
    train += [("Yes.", "Ja, das ist richtig, und mehr gibt es dazu nicht zu sagen, wie jeder hier weiß."), ("No.", "")]
    dev = [("One dog.", "Nur ein Hund."), ("Two \u0008cats", "Zwei \u0008Katzen")]
    for name, pairs in (("train", train), ("dev", dev)):
        for place, code in enumerate(("en", "de")):
            (tmp_path / f"{name}.{code}").write_text("".join(f"{pair[place]}\n" for pair in pairs), encoding="utf-8")
    report = check([tmp_path / "train", tmp_path / "dev"], {"text": "en", "translation": "de"})
    assert report.kind == "pairs" and not report.ready
    found = {finding.kind: finding.items for finding in report.findings}
    assert [item.split(" (")[0] for item in found["empty texts"]] == ["train.en, line 11"]
    assert [item.split(" (")[0] for item in found["the same on both sides"]] == ["train.en, line 4"]
    assert found["the same pair twice in one set"] == ("train.en, line 2 = train.en, line 3",)
    assert found["the same in several sets"] == ("train.en, line 2 = dev.en, line 1",)
    assert [item.split(" (")[0] for item in found["unusual length for their text"]] == ["train.en, line 10"]
    assert [item.split(" (")[0] for item in found["control characters"]] == ["dev.en, line 2"]
    (foreign,) = found["in another language"]
    assert foreign.startswith("train.en, line 5 (de where en is expected")


def test_a_table_of_pairs_is_told_by_its_columns(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("source\ttarget\nOne dog.\tEin Hund.\n\tLeer\n", encoding="utf-8")
    report = check([path])
    assert report.kind == "pairs" and [finding.kind for finding in report.findings] == ["empty sources"]

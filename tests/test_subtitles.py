"""Subtitles, as they are written by hand."""

from seqkit.results import Word
from seqkit.subtitles import cues, srt, vtt

WORDS = [
    Word("good", 0.5, 0.75, 1.0),
    Word("morning", 0.8, 1.2346, 1.0),
    Word("who", 2.3, 2.5, 1.0),  # after a pause of more than a second
    Word("speaks", 3661.0, 3661.5, 1.0),
]


def test_subrip():
    assert srt(WORDS) == (
        "1\n00:00:00,500 --> 00:00:01,235\ngood morning\n\n"
        "2\n00:00:02,300 --> 00:00:02,500\nwho\n\n"
        "3\n01:01:01,000 --> 01:01:01,500\nspeaks\n"
    )
    assert srt([]) == ""


def test_webvtt():
    assert vtt(WORDS[:2]) == "WEBVTT\n\n00:00:00.500 --> 00:00:01.235\ngood morning\n"
    assert vtt([]) == "WEBVTT\n"


def test_lines_are_neither_wide_nor_long():
    lines = cues([Word("four", place, place + 0.9, 1.0) for place in range(20)])
    assert [text for _, _, text in lines][:2] == ["four four four four four four"] * 2  # 5.9 seconds
    assert [round(end - start, 1) for start, end, _ in lines] == [5.9, 5.9, 5.9, 1.9]
    lines = cues([Word("fourteen chars", place / 9, place / 9 + 0.1, 1.0) for place in range(6)])
    assert [len(text) for _, _, text in lines] == [29, 29, 29]

"""Subtitles: the words of a transcript, with their times in seconds, as SubRip (.srt) or WebVTT (.vtt) has them.

Convention: a line has at most 42 characters and 6 seconds, and ends where somebody pauses for a second; so subtitles are made
usually. Left out: two lines at once, who speaks.
"""

WIDEST = 42  # characters
LONGEST, PAUSE = 6.0, 1.0  # seconds


def cues(words):
    """Words, as of `Transcript.words` -> list of `(start, end, text)`, the lines."""
    lines = []
    for word in words:
        if lines:
            start, end, text = lines[-1]
            wide = len(text) + 1 + len(word.text) > WIDEST
            if not wide and word.end - start <= LONGEST and word.start - end < PAUSE:
                lines[-1] = (start, word.end, f"{text} {word.text}")
                continue
        lines.append((word.start, word.end, word.text))
    return lines


def srt(words):
    """The text of a SubRip file."""
    lines = enumerate(cues(words), 1)
    return "\n".join(f"{n}\n{_time(start, ',')} --> {_time(end, ',')}\n{text}\n" for n, (start, end, text) in lines)


def vtt(words):
    """The text of a WebVTT file."""
    return "\n".join(
        ["WEBVTT\n", *(f"{_time(start, '.')} --> {_time(end, '.')}\n{text}\n" for start, end, text in cues(words))]
    )


def _time(seconds, point):
    whole = round(seconds * 1000)
    minutes, milliseconds = divmod(whole, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"

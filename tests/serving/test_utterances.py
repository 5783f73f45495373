"""Utterances, with a reader that hears a letter wherever a sample is not 0, and with a pipeline that streams."""

import numpy as np
import pytest
from cases import LIVE, ONE_WAY, SPEECH, spoken

from seqkit.results import Character, Transcript
from seqkit.serving.utterances import utterances

RATE = 100


def reader():
    """Hears "a" in each sample above 0; in the last one only once it is told that no more come."""
    come = np.zeros(0)

    def heard(samples, final):
        places = np.flatnonzero(samples) / RATE
        characters = [Character("a", place, place + 0.01, 0.9) for place in places]
        return Transcript("a" * len(places), 0.5, characters, [], final)

    def read(part):
        nonlocal come
        come = np.concatenate([come, part])
        return heard(come[:-1], final=False)

    return read, lambda: heard(come, final=True)


def sound(seconds, *places):
    samples = np.zeros(round(seconds * RATE), np.float32)
    samples[[round(place * RATE) for place in places]] = 1
    return samples


def finals(samples, size, endpoint=0.5):
    parts = [samples[start : start + size] for start in range(0, len(samples), size)]
    return [answer for answer in utterances(reader, parts, RATE, endpoint) if answer.final]


@pytest.mark.parametrize("size", [1, 7, 10, 100, 10000])
def test_an_utterance_ends_after_a_silence_however_it_came(size):
    found = finals(sound(40, 0.0, 0.2, 1.15, 1.6, 30.0, 39.99), size)
    assert [(answer.text, [round(c.left, 2) for c in answer.characters]) for answer in found] == [
        ("aa", [0.0, 0.2]),
        ("aa", [1.15, 1.6]),
        ("a", [30.0]),
        ("a", [39.99]),  # the stream ends before the silence, and the last sample was not read yet
    ]


def test_what_goes_on_is_not_final_and_comes_with_each_part():
    parts = np.split(sound(2, 0.1, 0.3), 10)
    answers = list(utterances(reader, parts, RATE, 1.0))
    assert [(answer.text, answer.final) for answer in answers[:2]] == [("a", False), ("aa", False)]
    assert [answer.text for answer in answers if answer.final] == ["aa"]


def test_silence_is_forgotten_but_for_the_last_half_second():
    lengths = []

    def watched():
        (read, finish), length = reader(), [0]
        lengths.append(length)

        def reading(part):
            length[0] += len(part)
            return read(part)

        return reading, finish

    parts = np.split(sound(3600, 3599.0), 3600)
    (answer,) = [answer for answer in utterances(watched, parts, RATE, 5.0) if answer.final]
    assert answer.characters[0].left == pytest.approx(3599.0)
    assert max(length for (length,) in lengths) <= 10 * RATE and len(lengths) > 300


def test_the_answer_to_an_utterance_is_that_to_its_samples():
    pipe = LIVE.pipe
    first = np.concatenate([spoken("abc"), np.zeros(32000, np.float32)])
    answers = list(pipe.stream(np.array_split(first, 7), endpoint=1e9))
    assert len(answers) == 8 and answers[-1].final
    whole = pipe(first)
    assert answers[-1].text == whole.text and answers[-1].score == pytest.approx(whole.score, abs=1e-5)


def test_who_cannot_tell_utterances_apart_says_so():
    for case in (ONE_WAY, SPEECH):
        with pytest.raises(TypeError, match=f"{case.name} pipeline has no utterances to tell apart"):
            case.pipe.stream([], endpoint=0.5)
    with pytest.raises(ValueError, match="endpoint must be seconds of silence, above 0; received 0"):
        LIVE.pipe.stream([], endpoint=0)

"""Utterances: speech that never ends -> an answer to each stretch between two silences.

Convention: parts of any size are read a tenth of a second at a time, counted from the begin, so that where an utterance ends
does not depend on how it came. The next one is read as if nothing had been before it: its answer is that to its samples alone.
Where nobody speaks, reading begins anew from time to time, so that an hour of silence leaves nothing. Left out: who speaks.
"""

import dataclasses

import numpy as np

from seqkit.results import Character

GRAIN = 0.1  # seconds that are read at a time
ANEW = 10.0  # seconds of silence after which reading begins anew
LEAD = 0.5  # seconds of it that are read again, lest the first word lose its begin


def utterances(begin_reading, parts, rate, endpoint):
    """Answers to utterances.

    Args:
        begin_reading: function that gives two: one of a part, `(samples,)`, that answers to what was read of all it was given
            since, a `Transcript`; and one of nothing, that answers to all of it.
        parts: iterable of `(samples,)` float32.
        rate: int, samples in a second.
        endpoint: seconds of silence, above 0, that end an utterance.

    Returns:
        A generator of `Transcript`s with places from the begin of the stream on, in seconds. After each part comes what was
        heard so far of the utterance that goes on, not `final`; and, when it is over, its answer, which is.

    Raises:
        ValueError: `endpoint` is not above 0.
    """
    if not endpoint > 0:
        raise ValueError(f"endpoint must be seconds of silence, above 0; received {endpoint!r}.")
    return _utterances(begin_reading, parts, rate, endpoint)


def _utterances(begin_reading, parts, rate, endpoint):
    size, waiting = round(GRAIN * rate), np.zeros(0, np.float32)
    (read, finish), begin, recent = begin_reading(), 0, np.zeros(0, np.float32)
    now, answer = 0, None
    for part in parts:
        waiting = np.concatenate([waiting, part])
        while len(waiting) >= size:
            piece, waiting = waiting[:size], waiting[size:]
            answer, now = read(piece), now + size
            recent = np.concatenate([recent, piece])[-round(LEAD * rate) :]
            spoken = answer.characters[-1].right if answer.text.strip() else None
            if spoken is not None and (now - begin) / rate - spoken >= endpoint:
                yield _moved(finish(), begin / rate)
                (read, finish), begin, answer = begin_reading(), now, None
            elif spoken is None and (now - begin) / rate >= ANEW:
                (read, finish), begin = begin_reading(), now - len(recent)
                answer = read(recent)
        if answer is not None:
            yield _moved(answer, begin / rate)
    if len(waiting):
        answer = read(waiting)
    if answer is not None and (answer := finish()).text.strip():
        yield _moved(answer, begin / rate)


def _moved(transcript, seconds):
    characters = [Character(text, left + seconds, right + seconds, sure) for text, left, right, sure in transcript.characters]
    return dataclasses.replace(transcript, characters=characters)

"""Stretches of recordings: one utterance of a longer file, cut out when it is asked for.

Convention: times are seconds from the beginning of the file; nothing else of it is decoded. Left out: which stretches there
are (`recordings.py`, `listed.py`).
"""

import math
from dataclasses import dataclass
from pathlib import Path

import soundfile

OVERSHOOT = 0.5  # seconds by which a stretch may end behind its recording, as in Kaldi's extract-segments


@dataclass(frozen=True)
class Stretch:
    """A part of a recording.

    Attributes:
        file: `Path` of the recording.
        start: seconds from its beginning.
        end: seconds from its beginning; infinite for all that is left.

    Raises:
        ValueError: the times are none of a stretch.
    """

    file: Path
    start: float
    end: float

    def __post_init__(self):
        if not 0 <= self.start < self.end or math.isinf(self.start):  # so written that NaN is refused too
            raise ValueError(f"expected a start of 0 s or more and a later end; received {self.start:g} s to {self.end:g} s.")

    def read(self):
        """Reads the stretch alone.

        Returns:
            `(samples, rate)`: float32 from -1 to 1, `(samples,)` or of several channels `(samples, channels)`; int, Hz.

        Raises:
            ValueError: the file is no recording, is damaged, or ends before the stretch does.
        """
        try:
            with soundfile.SoundFile(self.file) as file:
                rate, seconds = file.samplerate, file.frames / file.samplerate
                start, end = (round(min(time, seconds) * rate) for time in (self.start, self.end))
                file.seek(start)
                samples = file.read(end - start, dtype="float32")
        except (soundfile.SoundFileError, OSError) as error:
            raise ValueError(f"{self.file}: expected a recording, whole; {error}") from error
        late = self.start >= seconds or seconds + OVERSHOOT < self.end < math.inf
        if late or len(samples) < end - start:
            held = min(seconds, (start + len(samples)) / rate)
            raise ValueError(f"{self.file}: expected a recording up to {self.end:g} s; it holds {held:.2f} s.")
        return samples, rate

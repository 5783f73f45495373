"""WAVE files as programs write them, and put together by hand, odd parts included."""

import io
import struct

import soundfile


def encoded(samples, rate=16000, kind="WAV", subtype="PCM_16"):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind, subtype=subtype)
    return stream.getvalue()


def chunk(name, content, size=None):
    """A part of a WAVE file, with its pad byte."""
    return name + struct.pack("<I", len(content) if size is None else size) + content + b"\0" * (len(content) % 2)


def file_of(*chunks, size=None):
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content) if size is None else size) + content


LIST = chunk(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0")  # of odd size

"""Captions of pictures, German to English: as `multi30k.py`, the other way."""

from multi30k import main

if __name__ == "__main__":
    main(__file__, "de", "en")

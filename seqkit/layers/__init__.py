"""Recurrent and attention layers: drop-in for Keras, with lengths. Left out: whole encoders, see the floor above."""

from seqkit.layers.attention import AdditiveAttention, LocationAttention, MultiplicativeAttention
from seqkit.layers.bidirectional import Bidirectional
from seqkit.layers.paths import only, portable, taken, watched
from seqkit.layers.recurrent import GRU, LSTM, SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "AdditiveAttention",
    "Bidirectional",
    "LocationAttention",
    "MultiplicativeAttention",
    "SimpleRNN",
    "only",
    "portable",
    "taken",
    "watched",
]

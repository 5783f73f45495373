"""Recurrent and attention layers: drop-in for Keras, with lengths. Left out: whole encoders, see the floor above."""

from seqkit.layers.bidirectional import Bidirectional
from seqkit.layers.paths import only, portable
from seqkit.layers.recurrent import GRU, LSTM, SimpleRNN

__all__ = ["GRU", "LSTM", "Bidirectional", "SimpleRNN", "only", "portable"]

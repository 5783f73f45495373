"""Recurrent and attention layers: drop-in for Keras, with lengths.

One call of an LSTM goes through four files:

    recurrent.py   the layer. Keras's constructor, weights, states and masks; `lengths` become a mask; `_loop` chooses how to
                   compute, lays out the cell's weights, and gives the answer back in Keras's order and with Keras's padding
    paths.py       the choice, as one table: "fused" to train and wherever shapes are known, "graph" for what is exported,
                   Keras's own loops on a GPU and on other backends; and how to hold it (`only`, `portable`) or see it (`taken`)
    loop.py        the loop over time: as plain TensorFlow ops, or as XLA programs with a gradient written by hand
    steps.py       the equations of one step, the same for every loop

Beside the road, only for calls that ask for them: `ragged.py` (rows of unlike lengths run in groups), `chunks.py` (`truncate`,
`checkpoint_every`), `bidirectional.py` (two layers, one from each end), `lengths.py` (lengths checked and joined with masks).
`attention.py` stands alone. Left out: whole encoders, see the floor above.
"""

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

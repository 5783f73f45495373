"""Both directions over one sequence: `keras.layers.Bidirectional` with `lengths`.

Each direction is a compiled function of its own, which the graph executor runs side by side on two cores. With lengths the
backward direction reads each row from that row's last step. Without `return_sequences`, the answer holds for each row the
forward state after its last step and the backward state after its first.

Convention: `(batch, steps, width)`; outputs of both directions are aligned with their inputs.
Left out: what a direction computes (`recurrent.py`).
"""

import keras

from seqkit.layers import lengths as known


@keras.saving.register_keras_serializable("seqkit")
class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional` (Schuster and Paliwal 1997), same arguments.

    Call arguments:
        sequences, initial_state, mask, training: as in Keras.
        lengths: `(batch,)` int, 0 <= length <= steps, the true steps of each row. With a mask, both hold.
        sequences_mask: as of `LSTM`, filled in by Keras.

    Returns:
        As Keras. With `return_sequences`, outputs on padded steps are zero.

    Raises:
        ValueError: lengths not `(batch,)` integers, negative, or over the steps.
    """

    def call(self, sequences, initial_state=None, mask=None, training=None, lengths=None, sequences_mask=None):
        rows = known.rows(lengths, sequences_mask if mask is None else mask, sequences)
        return super().call(sequences, initial_state=initial_state, mask=rows, training=training)

"""Pretraining: the sampled loss against a softmax over all ids, worked out in NumPy."""

import keras
import numpy as np

from seqkit.heads.neighbours import NeighboursHead

UNITS, SIZE = 3, 7
RANDOM = np.random.default_rng(1)
STATES = RANDOM.normal(size=(2, 5, 2 * UNITS + 2)).astype("float32")  # two columns of votes behind
IDS = np.array([[4, 6, 5, 3, 2], [5, 4, 2, 0, 0]], "int32")
LENGTHS = np.array([5, 3], "int32")


def made(samples):
    embedding = keras.layers.Embedding(SIZE, 4)
    embedding.build()
    head = NeighboursHead(embedding, UNITS, samples)
    head(STATES, LENGTHS)
    return head


def full_loss(head):
    table, bias = head.embedding.embeddings.numpy(), head.bias.numpy()[:, 0]
    losses = []
    for row, length in enumerate(LENGTHS):
        found = []
        for step in range(length):
            for near, part, dense in ((step + 1, 0, head.forward_query), (step - 1, 1, head.backward_query)):
                if 0 <= near < length:
                    state = STATES[row, step, part * UNITS : (part + 1) * UNITS]
                    logits = table @ (state @ dense.kernel.numpy() + dense.bias.numpy()) + bias
                    found.append(np.log(np.exp(logits).sum()) - logits[IDS[row, near]])
        losses.append(np.mean(found))
    return losses


def test_many_samples_come_near_the_full_softmax():
    head = made(samples=40_000)
    loss = head.loss({"ids": IDS, "lengths": LENGTHS}, head(STATES, LENGTHS))
    np.testing.assert_allclose(loss, full_loss(head), rtol=0.03)


def test_a_row_of_one_step_has_no_neighbours_and_no_loss():
    head = made(samples=8)
    loss = head.loss({"ids": IDS, "lengths": np.array([1, 1])}, head(STATES, LENGTHS))
    assert loss.numpy().tolist() == [0, 0]

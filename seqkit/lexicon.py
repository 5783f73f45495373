"""Learning which n-grams speak for which label: naive Bayes features, logistic regression (Wang and Manning, 2012).

Convention: n-grams as in `layers/ngrams.py`. A multinomial regression over the presence of the n-grams that tell labels
apart best, each scaled by its log-count ratio, and all by the length of the text, as votes are.
"""

import io
import warnings

import numpy as np

from seqkit.layers.ngrams import LENGTH
from seqkit.tokenizers import PAD, START

# On film reviews the accuracy of held-out ones is flat around these.
STRENGTH = 1.0  # inverse of the regression's L2 penalty
ITERATIONS = 60  # of L-BFGS, which is stopped early


def learn_votes(rows, labels, count):
    """Fits the votes.

    Args:
        rows: list of 1-D id arrays, one for each text.
        labels: `(texts,)` ints; 0 up to the number of labels, each of which some text has.
        count: int, the largest number of n-grams that get a vote.

    Returns:
        ngrams `(count, 3)` uint16, votes `(count, labels)` float16, and the vote that every text gets, `(labels,)`.

    Raises:
        ImportError: scikit-learn is not installed (extra `train`).
        ValueError: all texts have one label.
    """
    try:
        from scipy import sparse
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ImportError("Learning n-grams needs scikit-learn: pip install 'seqkit[train]'.") from error
    labels = np.asarray(labels)
    if len(set(labels.tolist())) < 2:
        raise ValueError("There is nothing to tell apart: all examples have the same label.")
    found = [np.unique(_ngrams(row)) for row in rows]
    kinds, column = np.unique(np.concatenate(found), return_inverse=True)
    sizes = np.array([len(one) for one in found])
    texts = np.repeat(np.arange(len(rows)), sizes)
    presence = sparse.csr_matrix((np.ones(len(column), np.float32), (texts, column)), (len(rows), len(kinds)))
    counts = np.asarray(presence.sum(0))[0]
    ratio = np.max([_log_count_ratio(presence, labels == label, counts) for label in set(labels.tolist())], axis=0)
    kept = np.sort(np.argsort(-ratio * counts, kind="stable")[:count])
    scaled = presence.tocsc()[:, kept].tocsr() @ sparse.diags(ratio[kept].astype(np.float32))
    scaled = sparse.diags((sizes**-LENGTH).astype(np.float32)) @ scaled
    model = LogisticRegression(C=STRENGTH, max_iter=ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is meant
        model.fit(scaled, labels)
    votes, every = model.coef_.T * ratio[kept, None], model.intercept_
    if votes.shape[1] == 1:  # scikit-learn gives two labels one column
        votes, every = np.concatenate([-votes, votes], axis=1) / 2, np.concatenate([-every, every]) / 2
    return _unpack(kinds[kept]), votes.astype(np.float16), every.astype(np.float32)


def to_bytes(ngrams, votes, every):
    """The lexicon as the bytes of an asset."""
    file = io.BytesIO()
    np.savez_compressed(file, ngrams=ngrams, votes=votes, every=every)
    return file.getvalue()


def from_bytes(content):
    """What `to_bytes` wrote: ngrams, votes, and every text's vote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return file["ngrams"], file["votes"], file["every"]


def _ngrams(row):
    """Ids -> every uni-, bi- and trigram, packed 16 bits an id into int64."""
    current = np.asarray(row, np.int64)
    previous = np.concatenate([[START], current[:-1]])
    before = np.concatenate([[PAD], previous[:-1]])
    return np.concatenate([current, previous << 16 | current, before << 32 | previous << 16 | current])


def _unpack(packed):
    return np.stack([packed >> 32, packed >> 16 & 0xFFFF, packed & 0xFFFF], axis=1).astype(np.uint16)


def _log_count_ratio(presence, chosen, counts):
    """How many times likelier each n-gram is inside the chosen texts than outside, or the other way round, in logs."""
    inside = 1 + np.asarray(presence[chosen].sum(0))[0]
    outside = 2 + counts - inside
    return np.abs(np.log((inside / inside.sum()) / (outside / outside.sum())))

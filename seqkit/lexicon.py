"""Learning which n-grams speak for which label: naive Bayes features, logistic regression (Wang and Manning, 2012).

Convention: n-grams as in `layers/ngrams.py`. Each label is fitted against all others, on the presence of the n-grams
that tell labels apart best, scaled by their log-count ratio and by 1 / sqrt(distinct n-grams of the text).
"""

import io

import numpy as np

from seqkit.tokenizers import PAD, START

STRENGTH = 10.0  # inverse of the regression's L2 penalty; 10 and 100 give the same held-out accuracy on film reviews


def learn_votes(rows, labels, count):
    """Fits the votes.

    Args:
        rows: list of 1-D id arrays, one for each text.
        labels: `(texts,)` ints from 0.
        count: int, the largest number of n-grams that get a vote.

    Returns:
        ngrams `(count, 3)` uint16 and votes `(count, labels)` float16.

    Raises:
        ImportError: scikit-learn is not installed (extra `train`).
    """
    try:
        from scipy import sparse
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ImportError("Learning n-grams needs scikit-learn: pip install 'seqkit[train]'.") from error
    labels = np.asarray(labels)
    found = [np.unique(_ngrams(row)) for row in rows]
    kinds, column = np.unique(np.concatenate(found), return_inverse=True)
    sizes = np.array([len(one) for one in found])
    texts = np.repeat(np.arange(len(rows)), sizes)
    presence = sparse.csr_matrix((np.ones(len(column), np.float32), (texts, column)), (len(rows), len(kinds)))
    ratios = np.stack([_log_count_ratio(presence, labels == label) for label in range(labels.max() + 1)])
    weight = np.abs(ratios).max(0) * np.asarray(presence.sum(0))[0]
    kept = np.sort(np.argsort(-weight, kind="stable")[:count])
    presence = sparse.diags(1 / np.sqrt(np.maximum(sizes, 1))) @ presence.tocsc()[:, kept].tocsr()
    votes = []
    for label, ratio in enumerate(np.abs(ratios[:, kept])):
        model = LogisticRegression(solver="liblinear", C=STRENGTH, tol=1e-2, random_state=0)
        model.fit(presence @ sparse.diags(ratio), labels == label)
        votes.append(model.coef_[0] * ratio)
    return _unpack(kinds[kept]), np.stack(votes, axis=1).astype(np.float16)


def to_bytes(ngrams, votes):
    """The lexicon as the bytes of an asset."""
    file = io.BytesIO()
    np.savez_compressed(file, ngrams=ngrams, votes=votes)
    return file.getvalue()


def from_bytes(content):
    """What `to_bytes` wrote: ngrams `(count, 3)`, votes `(count, labels)`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return file["ngrams"], file["votes"]


def _ngrams(row):
    """Ids -> every uni-, bi- and trigram, packed 16 bits an id into int64."""
    current = np.asarray(row, np.int64)
    previous = np.concatenate([[START], current[:-1]])
    before = np.concatenate([[PAD], previous[:-1]])
    return np.concatenate([current, previous << 16 | current, before << 32 | previous << 16 | current])


def _unpack(packed):
    return np.stack([packed >> 32, packed >> 16 & 0xFFFF, packed & 0xFFFF], axis=1).astype(np.uint16)


def _log_count_ratio(presence, chosen):
    inside = 1 + np.asarray(presence[chosen].sum(0))[0]
    outside = 1 + np.asarray(presence[~chosen].sum(0))[0]
    return np.log((inside / inside.sum()) / (outside / outside.sum()))

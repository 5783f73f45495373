"""Learning which n-grams speak for which label: naive Bayes features, logistic regression (Wang and Manning, 2012).

Convention: n-grams as in `layers/ngrams.py`. A multinomial regression over the presence of the n-grams that tell labels
apart best, each scaled by its log-count ratio, and all by the length of the text, as votes are. One label may abstain,
such as neutral: no n-gram speaks for it, and its texts speak for all others alike.
"""

import io
import warnings

import numpy as np

from seqkit.encoders.ngrams import LENGTH
from seqkit.language.tokenizers import PAD, START

# On film reviews the accuracy of held-out ones is flat around these.
STRENGTH = 3.0  # inverse of the regression's L2 penalty
ITERATIONS = 60  # of L-BFGS, which is stopped early


def learn_votes(rows, labels, classes, count, abstaining=None):
    """Fits the votes.

    Args:
        rows: list of 1-D id arrays, one for each text.
        labels: `(texts,)` ints below `classes`.
        classes: int, the number of labels.
        count: int, the largest number of n-grams that get a vote.
        abstaining: int, the label that gets no votes, or None.

    Returns:
        ngrams `(count, 3)` uint16, votes `(count, classes)` float16, and the vote that every text gets, `(classes,)`.

    Raises:
        ImportError: scikit-learn is not installed (extra `train`).
        ValueError: fewer than two labels have texts and may vote.
    """
    try:
        from scipy import sparse
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ImportError("Learning n-grams needs scikit-learn: pip install 'seqkit[train]'.") from error
    labels = np.asarray(labels)
    voting = [label for label in range(classes) if label != abstaining and (labels == label).any()]
    if len(voting) < 2:
        raise ValueError("There is nothing to tell apart: the examples have fewer than two labels that n-grams vote for.")
    ngrams_of_texts = [np.unique(_ngrams(row)) for row in rows]
    kinds, column = np.unique(np.concatenate(ngrams_of_texts), return_inverse=True)
    sizes = np.array([len(one) for one in ngrams_of_texts])
    texts = np.repeat(np.arange(len(rows)), sizes)
    presence = sparse.csr_matrix((np.ones(len(column), np.float32), (texts, column)), (len(rows), len(kinds)))
    inside = np.stack([np.asarray(presence[labels == label].sum(0))[0] for label in voting])
    ratio, counts = _log_count_ratio(inside), inside.sum(0)
    kept = np.sort(np.argsort(-ratio * counts, kind="stable")[:count])
    scaled = presence.tocsc()[:, kept].tocsr() @ sparse.diags(ratio[kept])
    scaled = sparse.diags((sizes**-LENGTH).astype(np.float32)) @ scaled
    # A text of the abstaining label stands once under each of the others, with its share of the weight.
    partial = np.flatnonzero(labels == abstaining)
    places = np.concatenate([np.flatnonzero(labels != abstaining), *[partial] * len(voting)])
    targets = np.concatenate([labels[labels != abstaining], np.repeat(voting, len(partial))])
    shares = np.where(labels[places] == abstaining, 1 / len(voting), 1.0)
    model = LogisticRegression(C=STRENGTH, max_iter=ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is meant
        model.fit(scaled[places], targets, sample_weight=shares)
    coefficients = np.concatenate([model.coef_.T * ratio[kept, None], model.intercept_[None]])
    if len(voting) == 2:  # scikit-learn gives two labels one column
        coefficients = np.concatenate([-coefficients, coefficients], axis=1) / 2
    votes = np.zeros((len(coefficients), classes), np.float32)
    votes[:, voting] = coefficients
    return _unpack(kinds[kept]), votes[:-1].astype(np.float16), votes[-1]


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


def _log_count_ratio(inside):
    """`(labels, n-grams)` counts -> how many times likelier an n-gram is under some label than elsewhere, or the other
    way round, in logs: `(n-grams,)` float32."""
    outside = 1 + inside.sum(0) - inside
    inside = 1 + inside
    rates = [counts / counts.sum(1, keepdims=True) for counts in (inside, outside)]
    return np.abs(np.log(rates[0] / rates[1])).max(0).astype(np.float32)

"""How good the answers are. Each metric takes answers and truths in the same order.

Well-kept libraries count where they can; the calibration error here follows Guo et al. (2017).
"""

import numpy as np


def classification(labels, scores, truths):
    """Scores of single-label answers.

    Args:
        labels: sequence of `str`, the answers.
        scores: sequence of float, the probability each answer was given.
        truths: sequence of `str`.

    Returns:
        `{"accuracy", "macro_f1", "calibration_error"}`, each 0 to 1.

    Raises:
        ImportError: scikit-learn is not installed (extra `train`).
        ValueError: there is nothing to score.
    """
    try:
        from sklearn.metrics import accuracy_score, f1_score
    except ImportError as error:
        raise ImportError("Scoring needs scikit-learn: pip install 'seqkit[train]'.") from error
    if not len(truths):
        raise ValueError("There is nothing to score: received 0 examples.")
    return {
        "accuracy": float(accuracy_score(truths, labels)),
        "macro_f1": float(f1_score(truths, labels, average="macro")),
        "calibration_error": calibration_error(scores, np.asarray(labels) == np.asarray(truths)),
    }


def calibration_error(scores, correct, bins=15):
    """Expected calibration error (Guo et al., 2017): how far a score is from the share of answers that are right.

    Args:
        scores: `(items,)` probabilities of the answers given.
        correct: `(items,)` bool.
        bins: number of equal bins over 0 to 1.

    Returns:
        The mean of |accuracy - mean score| over the bins, weighted by how many answers fall in each: 0 to 1.
    """
    scores, correct = np.asarray(scores, float), np.asarray(correct, float)
    places = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [abs(correct[places == b].sum() - scores[places == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(scores))


def fit_temperature(logits, truths):
    """The temperature that makes `softmax(logits / temperature)` most probable (Guo et al., 2017).

    Args:
        logits: `(items, classes)` float.
        truths: `(items,)` int, the right class of each.

    Returns:
        Float between 0.05 and 20. A golden-section search: the loss is unimodal in the temperature's inverse.
    """
    logits, truths = np.asarray(logits, float), np.asarray(truths, int)

    def loss(log_temperature):
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(1, keepdims=True)
        return np.mean(np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(truths)), truths])

    low, high, golden = np.log(0.05), np.log(20.0), (5**0.5 - 1) / 2
    while high - low > 1e-5:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))

"""S-kNN and V-S-kNN with sets and dictionaries, one history at a time."""

import math

POSITIONS = {
    "same": lambda i, n: 1.0,
    "div": lambda i, n: i / n,
    "linear": lambda i, n: max(0.0, 1 - (n - i) / 10),
    "quadratic": lambda i, n: (i / n) ** 2,
    "log": lambda i, n: 1 / math.log10(n - i + 1.7),
}
STEPS = {
    "same": lambda t: 1.0,
    "div": lambda t: 1 / t,
    "linear": lambda t: max(0.0, 1 - t / 10),
    "quadratic": lambda t: 1 / t**2,
    "log": lambda t: 1 / math.log10(t + 1.7),
}


def neighbors(history, sessions, k, sample_size, similarity):
    """Returns (similarity, session) of the k nearest, the best first.

    Args:
        history: items, oldest first.
        sessions: sets of items, the most recent session first.
        k: how many are kept.
        sample_size: how many are compared.
        similarity: a function of a session.
    """
    sample = [s for s in sessions if s & set(history)][:sample_size]
    pairs = [(similarity(s), s) for s in sample]
    pairs = [pair for pair in pairs if pair[0] > 0]
    return sorted(pairs, key=lambda pair: -round(pair[0], 6))[:k]


def sknn(history, sessions, k=100, sample_size=500, similarity="cosine"):
    """Returns item -> score."""
    h = set(history)

    def compare(s):
        both = len(h & s)
        if similarity == "jaccard":
            return both / len(h | s)
        return both / math.sqrt(len(h) * len(s))

    scores = {}
    for value, s in neighbors(history, sessions, k, sample_size, compare):
        for item in s:
            scores[item] = scores.get(item, 0.0) + value
    return scores


def vsknn(
    history,
    sessions,
    counts,
    k=100,
    sample_size=1000,
    similarity="vec",
    weighting="div",
    score_weighting="div",
    idf_weight=0.0,
    last=None,
    remind=True,
):
    """Returns item -> score; `counts` holds the events of each item."""
    items = history if last is None else history[-last:]
    weights = {}
    for i, item in enumerate(items, start=1):
        weights[item] = POSITIONS[weighting](i, len(items))

    def compare(s):
        both = sum(weights[item] for item in weights if item in s)
        if similarity == "vec":
            return both / len(weights)
        square = sum(weight**2 for weight in weights.values())
        return both / math.sqrt(square * len(s))

    scores = {}
    for value, s in neighbors(history, sessions, k, sample_size, compare):
        step = 1
        while items[-step] not in s:
            step += 1
        for item in s:
            if not remind and item in items:
                continue
            idf = math.log(len(sessions) / counts[item])
            gain = value * STEPS[score_weighting](step)
            gain *= 1 + idf_weight * idf
            scores[item] = scores.get(item, 0.0) + gain
    return scores

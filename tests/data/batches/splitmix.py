"""SplitMix64 and the choice of negatives, written with plain integers."""

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15


def outputs(seed, count):
    """Returns the first outputs of SplitMix64, as its authors print it."""
    state, result = seed & MASK, []
    for _ in range(count):
        state = (state + GAMMA) & MASK
        mixed = state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        result.append(mixed ^ (mixed >> 31))
    return result


def key_of(*words):
    """Hashes words: each is added to the state of a fresh generator."""
    key = 0
    for word in words:
        key = outputs(key + word, 1)[0]
    return key


def choose(key, count, shares):
    """Draws ids; `shares` maps each id that may occur to an integer."""
    row = [item for item in sorted(shares) for _ in range(shares[item])]
    return [row[(out >> 32) * len(row) >> 32] for out in outputs(key, count)]

"""Products with a state and with the tokens of a chunk, whichever way they are kept."""

from archer.memory.writers.text import Text


def along_keys(text: Text, keys: str, state: str) -> str:
    """q or k [BC, BK] times a state."""
    return text.dot(keys, state) if text.rows else text.dot(state, f"tl.trans({keys})")


def along_tokens(text: Text, weights: str, x: str, plus: str | None = None) -> str:
    """Weights [BC, BC] times the tokens' x."""
    if text.rows:
        return text.dot(weights, x, plus)
    return text.dot(x, f"tl.trans({weights})", plus)


def back_along_tokens(text: Text, weights: str, x: str, plus: str | None = None) -> str:
    """Transposed weights [BC, BC] times the tokens' x."""
    if text.rows:
        return text.dot(f"tl.trans({weights})", x, plus)
    return text.dot(x, weights, plus)


def onto_state(text: Text, x: str, keys: str, plus: str | None = None) -> str:
    """Sum over tokens of keys [BC, BK] with their x: a state."""
    return text.dot(f"tl.trans({keys})", x, plus) if text.rows else text.dot(x, keys, plus)

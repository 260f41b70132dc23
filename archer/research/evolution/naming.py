"""Names of new rules: words of their parts, never one that is taken."""

from collections.abc import Iterable, Sequence

from archer.research.evolution.page import class_name
from archer.rules.base import snake_case
from archer.rules.load import BUILTIN
from archer.rules.template import WORDS

LONGEST = 48


def new_name(nouns: Sequence[str], taken: Iterable[str]) -> str:
    """The nouns joined, shortened to a readable length, numbered where the name is taken."""
    used = {*taken, *BUILTIN, *WORDS, "parent"}
    words = [word for word in nouns if word]
    while len("_".join(words)) > LONGEST and len(words) > 1:
        words = words[1:]
    stem = "_".join(words)[:LONGEST].strip("_").rstrip("0123456789") or "child"
    stem = stem if snake_case(class_name(stem)) == stem else "child"
    name, count = stem, 2
    while name in used:
        name, count = f"{stem}{count}", count + 1
    return name


def short(name: str, most: int = 20) -> str:
    """The first words of a name, at least one."""
    first, *words = name.split("_with_")[0].split("_")
    for word in words:
        if len(first) + 1 + len(word) > most:
            break
        first = f"{first}_{word}"
    return first

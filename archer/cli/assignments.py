"""NAME=VALUE, as --set is given it."""

from collections.abc import Sequence

from archer.errors import ArcherError


def knob_values(assignments: Sequence[str]) -> dict[str, float]:
    """Raises ArcherError for what is no NAME=NUMBER, and for a name given twice."""
    found: dict[str, float] = {}
    for name, value in map(assignment, assignments):
        if name in found:
            raise ArcherError(
                f"--set {name} is given twice: a table holds one value of a knob; several are "
                "compared by archer sweep"
            )
        found[name] = _number(name, value)
    return found


def assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ArcherError(f"--set {text}: write NAME=VALUE, as in --set momentum.mu=0.8")
    return name.strip(), value.strip()


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ArcherError(f"--set {name}={value}: {value!r} is not a number") from None

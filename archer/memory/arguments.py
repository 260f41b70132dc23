"""What a memory is given: names and shapes, with the mistake and the fix in one line."""

from collections.abc import Mapping

from torch import Tensor

from archer.errors import ArcherError
from archer.rules.graph import RuleGraph


def check_arguments(
    rule: RuleGraph,
    tokens: Mapping[str, Tensor | None],
    knobs: Mapping[str, float | Tensor],
    signals: Mapping[str, Tensor],
    chunk_size: int | None,
) -> None:
    """tokens: q, k, v, beta and g. Raises ArcherError for anything a memory cannot be given."""
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
        raise ArcherError(f"chunk_size={chunk_size!r}: at least one token makes a chunk")
    _check_names(rule, "knob", knobs, {spec.name for spec in rule.knobs}, set())
    wanted = {spec.name for spec in rule.signals} - {rule.decay}
    _check_names(rule, "signal", signals, wanted, wanted)
    if (tokens["g"] is None) != (rule.decay is None):
        raise ArcherError(
            f"rule {rule.name} has no log_decay signal, so it takes no g"
            if rule.decay is None
            else f"rule {rule.name} decays: give the log-decay g <= 0, [batch, length, heads]"
        )
    for name, x in {**tokens, **signals}.items():
        if x is not None and not isinstance(x, Tensor):
            raise ArcherError(f"{name} is a {type(x).__name__}: give a tensor of torch")
    _check_shapes({name: x for name, x in tokens.items() if x is not None}, signals)
    each = tuple(tokens["q"].shape)[0:3:2]  # type: ignore[union-attr]
    for name, value in knobs.items():
        if isinstance(value, Tensor) and not _broadcasts(tuple(value.shape), each):
            raise ArcherError(
                f"knob {name} is {_shape(value)}: give a number, or a tensor that broadcasts to "
                f"[batch, heads], {list(each)} here"
            )


def _check_names(
    rule: RuleGraph, what: str, given: Mapping[str, object], known: set[str], needed: set[str]
) -> None:
    listed = ", ".join(sorted(known)) or "none"
    for name in given.keys() - known:
        raise ArcherError(f"rule {rule.name} has no {what} {name!r}; it has: {listed}")
    if missing := sorted(needed - given.keys()):
        raise ArcherError(f"rule {rule.name} needs the {what}s {', '.join(missing)}")


def _check_shapes(tokens: Mapping[str, Tensor], signals: Mapping[str, Tensor]) -> None:
    for name in ("q", "k", "v"):
        if tokens[name].ndim != 4:
            raise ArcherError(f"{name} is {_shape(tokens[name])}: give [batch, length, heads, dim]")
    q, k, v = (tokens[name] for name in ("q", "k", "v"))
    if q.shape != k.shape:
        raise ArcherError(f"q is {_shape(q)}, k is {_shape(k)}: give both one shape")
    if v.shape[:3] != q.shape[:3]:
        raise ArcherError(
            f"q is {_shape(q)}, v is {_shape(v)}: batch, length and heads must be the same"
        )
    if not q.shape[1]:
        raise ArcherError("a sequence of no tokens: give at least one")
    each = {name: tokens[name] for name in ("beta", "g") if name in tokens} | dict(signals)
    for name, value in each.items():
        if value.shape != q.shape[:3]:
            raise ArcherError(
                f"{name} is {_shape(value)}: give one number per token and head, "
                f"[batch, length, heads], {list(q.shape[:3])} here"
            )


def _broadcasts(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a shape broadcasts to [batch, heads]."""
    padded = (1,) * (len(wanted) - len(shape)) + shape
    return len(padded) == len(wanted) and all(
        a in (1, b) for a, b in zip(padded, wanted, strict=True)
    )


def _shape(x: Tensor) -> str:
    return str(list(x.shape))

"""What a report of long sequences says in sentences."""

from collections.abc import Iterable
from typing import Any

from archer.lengths.measured import Measured
from archer.lengths.sequences import BINDINGS, KEPT, RENEWED
from archer.lengths.tables import errors, learned, places
from archer.sweeps.values import LEARNED

ABOUT = {
    KEPT: "Bindings kept: a key has one value for the whole sequence",
    RENEWED: "Bindings renewed: every trained length new values, the latest counts",
}
SPREAD = (
    "± is the standard deviation over seeds; in brackets the 95 % interval (Student's t over "
    "seeds) of the change within each seed. A verdict is what this interval says, not corrected "
    "for the number of rules."
)
METHOD = (
    "One sequence is read from its first token to its last; a shorter one is its beginning, so "
    "the value at a position is that of a sequence of this length.",
    "An error at a position is the share of the answerable tokens since the position before it "
    "(half as far) that are predicted wrong; norms are taken at the position.",
    "`memory` and `slot` are Frobenius norms, means over sequences and heads; `output` is the root "
    "mean square of what the memory gives before its norm. The norm after it takes the size out "
    "again, so a memory that grows does no harm by its size alone.",
    "Everything is computed in float32 by the PyTorch engine, whatever the precision of training.",
    SPREAD,
    "The exponent is the slope of log value against log position: 0 stays, 1 grows as the "
    "sequence does.",
)


def title(measured: Measured) -> str:
    return f"Long sequences: in-context recall up to {measured.facts['length']:,} tokens"


def setup(measured: Measured) -> list[str]:
    """What was measured, on what."""
    facts = measured.facts
    seeds = len({model["seed"] for model in facts["models"]})
    sizes = sorted(set(facts["chunk_size"].values()))
    chunks = ", ".join(map(str, sizes))
    return [
        f"models: {len(facts['models'])}, of {len(measured.rules)} rules and {seeds} seeds; "
        f"trained on {facts['trained_length']:,} tokens of `{facts['setting_name']}`, preset "
        f"`{facts['preset']}`, protocol `{facts['protocol']}`; {facts['layers']} memories of "
        f"{facts['heads']} x {facts['dim'] // facts['heads']}, chunks of {chunks}",
        f"sequences: {facts['sequences']} of {facts['length']:,} tokens for each of two kinds, "
        "the same for every rule",
        f"guessing among the values has an error of {measured.chance:.3f}",
        f"knobs not at their defaults: {_knobs(facts['models'])}",
    ]


def notes(measured: Measured) -> list[str]:
    """Where a reader must be careful, and what the errors say."""
    return [
        *_lost(measured.facts["lost"]),
        *_infinite(measured),
        *_unlearned(measured),
        *(f"{ABOUT[kind]}. {_changes(measured, kind)}" for kind in BINDINGS),
    ]


def models(measured: Measured) -> Iterable[tuple[str, list[str]]]:
    """Every model: its trial, lr and weight decay, and its score on the trained length."""
    for model in measured.facts["models"]:
        cells = [model["trial"], f"{model['lr']:g}", f"{model['weight_decay']:g}"]
        yield f"{model['rule']}, seed {model['seed']}", [*cells, f"{model['test_accuracy']:.4f}"]


def _knobs(models: list[dict[str, Any]]) -> str:
    """ "`adam.eps=0.01`; learned: `mine.mu`", each once.

    Learning a knob may be what its rule does by default, so it is told apart.
    """
    given = [(f"{m['rule']}.{knob}", value) for m in models for knob, value in m["knobs"].items()]
    fixed = dict.fromkeys(f"`{knob}={value}`" for knob, value in given if value != LEARNED)
    trained = dict.fromkeys(f"`{knob}`" for knob, value in given if value == LEARNED)
    return (", ".join(fixed) or "none") + (f"; learned: {', '.join(trained)}" if trained else "")


def _lost(lost: list[dict[str, Any]]) -> list[str]:
    return [
        f"`{model['rule']}`, seed {model['seed']}: its training left no checkpoint, so there is "
        "nothing to measure"
        for model in lost
    ]


def _infinite(measured: Measured) -> list[str]:
    length, found = measured.facts["length"], []
    for rule in measured.rules:
        for kind in BINDINGS:
            (ends,) = measured.curve(rule, kind, "finite", None).to_numpy(float)
            if (ends < length).any():
                found.append(
                    f"`{rule}`, bindings {kind}: {int((ends < length).sum())} of {len(ends)} "
                    f"models gave infinite or undefined numbers, the first after "
                    f"{int(ends.min()):,} tokens"
                )
    return found or ["no model gave an infinite or undefined number anywhere"]


def _unlearned(measured: Measured) -> list[str]:
    found = [rule for rule in measured.rules if not learned(measured, rule)]
    if not found:
        return []
    return [
        f"{_names(found)} did not learn the task: the error at the trained length is more than "
        "half of guessing, and the errors beyond it say nothing about long sequences"
    ]


def _changes(measured: Measured, bindings: str) -> str:
    said = {
        "grows": "the error grows for",
        "falls": "the error falls for",
        "no change": "the error is the same in every seed for",
        "cannot tell": "these seeds cannot tell for",
    }
    found = errors(measured, bindings)
    by = {verdict: [e.rule for e in found if e.verdict == verdict] for verdict in said}
    parts = [f"{words} {_names(by[verdict])}" for verdict, words in said.items() if by[verdict]]
    if not parts:
        return "No rule learned the task"
    ends = f"{places(measured, 'trained')} to {places(measured, 'end')} tokens"
    return f"From {ends} {'; '.join(parts)}"


def _names(rules: list[str]) -> str:
    return ", ".join(f"`{rule}`" for rule in rules)

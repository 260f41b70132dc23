"""Measures the trained models of a folder on long sequences."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.lengths.choose import Chosen, choose
from archer.lengths.files import write
from archer.lengths.measure import measure
from archer.lengths.measured import COLUMNS, FORMAT, Measured
from archer.lengths.sequences import BINDINGS, long_sequences
from archer.mad.trial import Trial
from archer.record import Choice
from archer.record.write import commands_of, told_runs
from archer.store.environment import environment
from archer.weights import load

LENGTH, SEQUENCES, SINCE = 65_536, 16, 1024


def lengths(
    folder: Path,
    out: Path,
    *,
    length: int = LENGTH,
    sequences: int = SEQUENCES,
    since: int = SINCE,
    choice: Choice | None = None,
    setting: str | None = None,
    store: str | None = None,
    device: str = "cpu",
    say: Callable[[str], None] = lambda _: None,
) -> Measured:
    """Reads long sequences with every selected model of in-context recall; writes a record.

    folder: of a benchmark with saved weights. out: a folder that is not there yet. since: where
    growth is counted from. choice, setting, store: see `choose`. device: "cpu" or "cuda". say:
    called with a line per model. Raises ArcherError before anything is written.
    """
    if out.exists():
        raise ArcherError(f"{out} is there already: give another --out, or remove it")
    chosen = choose(folder, store, choice or Choice(), setting)
    _check(chosen, length, since)
    for model in chosen.models:
        load(model["trial"], folder=folder)  # all can be read, before an hour goes into the first
    facts = _facts(chosen) | {"length": length, "sequences": sequences, "since": since}
    runs = {
        "runs": told_runs(chosen.runs, chosen.trained_by),
        "measured": _environment(device),
    }
    rows = []
    for done, model in enumerate(chosen.models, 1):
        rows += _read(model, folder, facts, device)
        say(
            f"{done} of {len(chosen.models)} models measured: {model['rule']}, seed {model['seed']}"
        )
    values = pd.DataFrame(rows, columns=COLUMNS).astype({"layer": "Int64"})
    commands = [*commands_of(chosen.runs), *commands_of([{"environment": {"command": sys.argv}}])]
    return write(Measured(facts, values, runs, commands), out)


def _check(chosen: Chosen, length: int, since: int) -> None:
    trained = chosen.setting.length
    if length <= max(trained, since):
        raise ArcherError(
            f"--length {length}: use more than the {trained} tokens of training and than --since "
            f"{since}"
        )
    if since < 1:
        raise ArcherError(f"--since {since}: use a position, at least 1")


def _facts(chosen: Chosen) -> dict[str, Any]:
    """What lengths.json says of the models."""
    graphs: dict[str, Trial] = {m["rule"]: chosen.trials[m["trial"]] for m in chosen.models}
    model = next(iter(graphs.values())).model
    return {
        "format": FORMAT,
        "preset": chosen.preset,
        "protocol": chosen.protocol,
        "setting_name": chosen.setting.name,
        "setting": asdict(chosen.setting),
        "trained_length": chosen.setting.length,
        "layers": model.blocks,
        "dim": model.dim,
        "heads": model.heads,
        "chunk_size": {rule: trial.rule.chunk_size for rule, trial in graphs.items()},
        "slots": {rule: list(trial.rule.slots) for rule, trial in graphs.items()},
        "models": chosen.models,
        "lost": chosen.lost,
    }


def _read(
    model: dict[str, Any], folder: Path, facts: dict[str, Any], device: str
) -> list[tuple[Any, ...]]:
    """Rows of one model, on both kinds of sequences."""
    rows: list[tuple[Any, ...]] = []
    for kind in BINDINGS:
        module = load(model["trial"], folder=folder)
        trial: Trial = vars(module)["trial"]
        size = facts["length"], facts["sequences"], model["seed"]
        inputs, targets = long_sequences(trial.setting, kind, *size)
        rows += [
            (model["rule"], model["seed"], kind, layer, at, name, value)
            for layer, at, name, value in measure(module, inputs, targets, device)
        ]
    return rows


def _environment(device: str) -> dict[str, Any]:
    found = {k: v for k, v in environment(device).items() if k != "command"}
    return {"started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "device": device, **found}

"""What a reader must know before believing a table, and what to do next."""

import pandas as pd

from archer.mad.export import setting_with
from archer.mad.presets import preset_of_table
from archer.mad.settings import COLUMNS, Setting
from archer.report import chosen
from archer.report.difficulty import FIELDS, breaks, difficulty
from archer.report.facts import AVERAGE
from archer.report.phrases import name, names
from archer.report.study import Study

MOST_STEPS = 8


def notes(study: Study) -> list[str]:
    """What a reader must know before believing the table; also printed under it."""
    found = [study.disagreement] if study.disagreement else []
    preset = preset_of_table(study.preset)
    if preset is None or not preset.comparable:
        is_ = "is not the benchmark's" if preset is None else "is smaller than the benchmark"
        found.append(
            f"Preset `{study.preset}` {is_}: its numbers are not comparable to published ones."
        )
    found += chosen.sentences(study.trials)
    if "output_gate" in study.trials:
        found.append(
            "Every rule has an output gate: it is not the benchmark's model, whose rules differ by "
            "their memory alone."
        )
    if study.seeds == 1:
        found.append(
            "One seed: no difference in this table can be called significant. Nothing says how "
            "much a second seed would differ."
        )
    found += few_seeds(study)
    found += _identical(study)
    found += _losses(study)
    return found


def few_seeds(study: Study) -> list[str]:
    """Why seeds are too few, once, in the words of the statistics."""
    if study.seeds == 1 or study.baseline is None:
        return []
    said = (f.statement for f in study.facts.values() if f.statement and not f.identical)
    return [f"{text[0].upper()}{text[1:]}." for text in dict.fromkeys(said)]


def _identical(study: Study) -> list[str]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for rule, task, same in study.identical.itertuples(index=False):
        grouped.setdefault((task, same), []).append(rule)
    return [
        f"On {COLUMNS[task]} {names(rules)} {'is' if len(rules) == 1 else 'are'} identical by "
        f"construction to {name(same)}. {_why(study, task, rules)}"
        for (task, same), rules in grouped.items()
    ]


def _why(study: Study, task: str, rules: list[str]) -> str:
    mine = study.trials[study.trials["rule"].isin(rules) & (study.trials["task"] == task)]
    pairs = mine[["setting", "chunk_size"]].drop_duplicates().itertuples(index=False)
    if all(setting_named(str(setting)).length <= chunk for setting, chunk in pairs):
        return "The whole sequence fits one chunk, so nothing written is ever read."
    return "They are the same mathematics."


def setting_named(text: str) -> Setting:
    """The setting of a name such as "memorization/vocab_size=512". Raises ArcherError."""
    task, _, changes = text.partition("/")
    parts = (part.partition("=") for part in changes.split(",") if part)
    return setting_with(task, {key: value for key, _, value in parts})


def _losses(study: Study) -> list[str]:
    found = []
    for status in ("diverged", "failed", "missing"):
        lost = study.trials[study.trials["status"] == status]
        why = lost["reason"].fillna("") if status != "diverged" else lost["status"]
        for key, rows in lost.groupby(["rule", "task", why], sort=False):
            rule, task, reason = map(str, key)
            reason = "" if status == "diverged" else f": {reason}"
            found.append(f"{len(rows)} of {rule}'s trials on {COLUMNS[task]} {status}{reason}.")
    for rule, task, seed, accuracy in study.scores.itertuples(index=False):
        if pd.isna(accuracy):
            found.append(
                f"{rule} has no score on {COLUMNS[task]} (seed {seed}): all of a setting is NaN."
            )
    return found


def next_steps(study: Study) -> list[str]:
    """Plans that follow from the numbers, the cheapest first."""
    return [*_seeds(study), *_grid(study), *_breaks(study)][:MOST_STEPS] or [
        "Nothing follows from these numbers alone."
    ]


def _seeds(study: Study) -> list[str]:
    if study.seeds < 3:
        return ["Run at least 3 seeds (`--seeds 3`), so that differences can be tested at all."]
    needed: dict[str, tuple[int, str]] = {}
    for (rule, column), facts in study.facts.items():
        if facts.seeds_needed and column != AVERAGE:
            needed[rule] = min(
                needed.get(rule, (10**6, "")), (max(facts.seeds_needed, study.seeds + 1), column)
            )
    return [
        f"Run {seeds} seeds to tell {name(rule)} from {name(str(study.baseline))} on {column}, if "
        "the noise stays what it was."
        for rule, (seeds, column) in sorted(needed.items(), key=lambda item: item[1])
    ]


def _grid(study: Study) -> list[str]:
    """Rules whose best learning rate is mostly at the edge of those tried."""
    rates = sorted(study.trials["lr"].unique())
    if len(rates) < 2 or chosen.chosen_beforehand(study.trials):
        return []
    scored = study.selected[study.selected["accuracy"].notna()]
    found = []
    for edge, word in ((rates[-1], "larger"), (rates[0], "smaller")):
        at_edge = (scored["lr"] == edge).groupby(scored["rule"]).mean()
        rules = [rule for rule in study.rules if at_edge.get(rule, 0.0) >= 0.75]
        if rules:
            found.append(
                f"Try a {word} learning rate for {names(rules)}: most selected trials are at the "
                f"edge of the grid (lr = {edge:g})."
            )
    return found


def _breaks(study: Study) -> list[str]:
    grouped: dict[tuple[str, str, float], list[str]] = {}
    for row in breaks(difficulty(study)).to_dict("records"):
        key = (row["column"], row["field"], row["breaks_at"])
        grouped.setdefault(key, []).append(row["rule"])
    return [
        f"Ask why {names(rules)} {'breaks' if len(rules) == 1 else 'break'} on {column} at "
        f"{FIELDS.get(field, field)} {value:g}."
        for (column, field, value), rules in grouped.items()
    ]


def bottleneck(study: Study) -> list[str]:
    """The tasks every rule has a score on, in the order of their best score, the hardest first."""
    whole = study.table.drop(columns=AVERAGE, errors="ignore").dropna(axis=1)
    return list(whole.max().sort_values().index)

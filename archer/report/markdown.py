"""The report of a benchmark as Markdown: table, differences, and what to keep in mind."""

import platform

import pandas as pd

import archer
from archer.mad.results import Results
from archer.mad.settings import COLUMNS
from archer.mad.trial import Protocol
from archer.report.tables import MARK, cells, markdown_table
from archer.rules.load import row_name

PROTOCOL_NOTES: dict[Protocol, str] = {
    "strict": (
        "protocol `strict`: checkpoint, stopping and learning rate x weight decay are chosen on a "
        "validation split; the scores are on test data, read once"
    ),
    "mad-lab": (
        "protocol `mad-lab`: checkpoint, stopping and learning rate x weight decay are chosen on "
        "the test data that is scored, as mad-lab does; scores are therefore optimistic"
    ),
}


def report(results: Results) -> str:
    """The whole report as text."""
    parts = [
        f"# MAD, preset `{results.plan.preset.name}`",
        _setup(results),
        "## Accuracy",
        markdown_table(cells(results)),
        _legend(results),
        *_differences(results),
        "## Keep in mind",
        "\n".join(f"- {note}" for note in notes(results)),
        "## Files",
        "- `results.csv`: the table above, unrounded\n"
        "- `trials.csv`: every trained member: setting, lr, weight decay, seed, knobs, scores, "
        "loss, steps, seconds, how it ended",
    ]
    return "\n\n".join(parts) + "\n"


def _setup(results: Results) -> str:
    preset, trials = results.plan.preset, results.trials
    trained = trials["trial"].nunique()
    lines = [
        f"- {preset.about}",
        f"- {PROTOCOL_NOTES[results.plan.protocol]}",
        f"- {len(trials)} trials, {trained} of them trained, in {results.seconds:.0f} s on "
        f"{results.device}; Archer {archer.__version__}, Python {platform.python_version()}",
    ]
    return "\n".join(lines)


def _legend(results: Results) -> str:
    seeds = results.trials["seed"].nunique()
    text = "Macro accuracy on test data, mean over settings"
    text += f" and {seeds} seeds." if seeds > 1 else ", one seed."
    if not results.identical.empty:
        text += f" `{MARK}`: identical by construction to the rule named below."
    return text


def _differences(results: Results) -> list[str]:
    baseline = row_name("delta")
    if baseline not in results.table.index or len(results.table) < 2:
        return []
    gaps = (results.table - results.table.loc[baseline]).drop(index=baseline)
    text = gaps.map(lambda gap: "no score" if pd.isna(gap) else f"{gap:+.3f}")
    return ["## Difference to `delta`", markdown_table(text)]


def notes(results: Results) -> list[str]:
    """What a reader must know before believing the table; also printed under it."""
    found = []
    if not results.plan.preset.comparable:
        found.append(
            f"Preset `{results.plan.preset.name}` is smaller than the benchmark: its numbers are "
            "not comparable to published ones."
        )
    if results.trials["seed"].nunique() == 1:
        found.append("One seed: no difference in this table can be called significant.")
    found += _identical(results)
    found += _losses(results)
    return found


def _identical(results: Results) -> list[str]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for rule, task, same in results.identical.itertuples(index=False):
        grouped.setdefault((task, same), []).append(rule)
    return [
        f"Identical by construction on {COLUMNS[task]}: {', '.join(rules)} and {same} "
        f"({_why(results, task, rules)})."
        for (task, same), rules in grouped.items()
    ]


def _why(results: Results, task: str, rules: list[str]) -> str:
    trials = (row.trial for row in results.plan.rows if row.rule in rules)
    trials = (trial for trial in trials if trial.setting.task == task)
    if all(trial.setting.length <= trial.rule.chunk_size for trial in trials):
        return "the whole sequence fits one chunk, so nothing written is ever read"
    return "the same mathematics"


def _losses(results: Results) -> list[str]:
    found = []
    for status in ("diverged", "failed"):
        lost = results.trials[results.trials["status"] == status]
        for key, rows in lost.groupby(["rule", "task"], sort=False):
            rule, task = map(str, key)
            reason = f": {rows['reason'].iloc[0]}" if status == "failed" else ""
            found.append(f"{len(rows)} of {rule}'s trials on {COLUMNS[task]} {status}{reason}.")
    for rule, task, seed, accuracy in results.scores.itertuples(index=False):
        if pd.isna(accuracy):
            found.append(
                f"{rule} has no score on {COLUMNS[task]} (seed {seed}): all of a setting is NaN."
            )
    return found

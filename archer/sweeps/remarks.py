"""What to keep in mind of a sweep beside `words.notes`: ties, losses, how far few seeds carry.

Shown wherever a sweep is, but in a record's report: see `archer.sweeps.files.record_text`.
"""

from archer.mad.settings import COLUMNS
from archer.report.phrases import listed, name, names
from archer.report.record import MISSING
from archer.sweeps import words
from archer.sweeps.results import SweepResults

MOST_NAMED = 3
LOST = ("diverged", "failed", MISSING)


def remarks(results: SweepResults) -> list[str]:
    """`words.notes`, and these."""
    return [*words.notes(results), *_few_seeds(results), *_lost(results), *_ties(results)]


def _few_seeds(results: SweepResults) -> list[str]:
    """What a p-value rests on, in the words of the statistics; of one or two seeds it is said."""
    if results.design.seeds < 3 or not len(results.selected):
        return []
    said = dict.fromkeys(text for text in results.selected["statement"] if text)
    return [f"{text[0].upper()}{text[1:]}." for text in said]


def _lost(results: SweepResults) -> list[str]:
    """Points without a score, and what became of their trainings."""
    curves, trials, found = results.curves, results.trials, []
    for task, rows in curves[curves["mean"].isna()].groupby("task", sort=False):
        points = rows["point"].tolist()
        mine = trials[(trials["task"] == task) & trials["point"].isin(points)]
        counts = [(word, int((mine["status"] == word).sum())) for word in LOST]
        told = ", ".join(f"{n} {word}" for word, n in counts if n)
        found.append(
            f"On {COLUMNS[str(task)]} {_named(points)} {'has' if len(points) == 1 else 'have'} no "
            f"score: of {len(mine)} trials {told or 'none has one'}."
        )
    return found


def _ties(results: SweepResults) -> list[str]:
    """Where other points have the chosen one's score, and why it is the chosen one."""
    asked = {point.label for point in results.points}
    found = []
    for task, chosen in results.chosen.items():
        rows = results.curves[results.curves["task"] == task].set_index("point")
        equal = rows.index[rows["mean"] == rows.loc[chosen, "mean"]]
        others = [str(point) for point in equal if point in asked and point != chosen]
        if others and task not in results.without_effect:
            why = "is the default" if rows.loc[chosen, "default"] else "was asked for first"
            found.append(
                f"On {COLUMNS[task]} {_named(others)} {'has' if len(others) == 1 else 'have'} the "
                f"same score as the chosen {name(chosen)}, which {why}."
            )
    return found


def _named(points: list[str]) -> str:
    if len(points) <= MOST_NAMED:
        return names(points)
    return listed(
        [*map(name, points[: MOST_NAMED - 1]), f"{len(points) - MOST_NAMED + 1} more points"]
    )

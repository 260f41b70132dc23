"""Where the headroom is and where rules differ: the report's insight and bottleneck."""

from archer.report.facts import AVERAGE
from archer.report.finding import VISIBLE, Finding
from archer.report.notes import bottleneck
from archer.report.phrases import Phrase, listed, name, score
from archer.report.sections import grouped
from archer.report.study import Study


def insights(study: Study, found: list[Finding]) -> list[Phrase]:
    """Where the headroom is, where rules differ, and trade-offs that key findings left out."""
    said: list[Phrase] = []
    order = bottleneck(study)
    if order:
        said.append(_best_score(study, order[0], "The bottleneck"))
    widest = _widest(study)
    if widest is not None:
        said.append(widest)
    told = {finding.phrase for *_, part in grouped(study, found) for finding in part}
    trades = [f.phrase for f in found if f.kind == "trade-off" and f.certainty == "certain"]
    return said + [phrase for phrase in trades if phrase not in told][:3]


def _best_score(study: Study, column: str, what: str) -> Phrase:
    values = study.table[column]
    rule = study.rules[int(values.argmax())]
    if len(study.rules) == 1:
        best = score(float(values.max()), (rule, column))
        return (f"{what} is {column}. {name(rule)} has ", best, ".")
    return (
        f"{what} is {column}. The best score on {column} is ",
        score(float(values.max()), (rule, column)),
        f", by {_holders(study, column, float(values.max()))}.",
    )


def _holders(study: Study, column: str, value: float) -> str:
    """Every rule with this score, as printed."""
    scores = zip(study.rules, study.table[column], strict=True)
    return listed([name(rule) for rule, found in scores if f"{found:.3f}" == f"{value:.3f}"])


def _widest(study: Study) -> Phrase | None:
    tasks = study.table.drop(columns=AVERAGE, errors="ignore").dropna(axis=1)
    if len(tasks) < 2 or tasks.empty:
        return None
    spread = tasks.max() - tasks.min()
    column = str(spread.idxmax())
    if spread[column] < VISIBLE:
        return None
    values = tasks[column]
    top, low = study.rules[int(values.argmax())], study.rules[int(values.argmin())]
    return (
        f"The rules lie furthest apart on {column}. The best score on {column} is ",
        score(float(values.max()), (top, column)),
        f", by {_holders(study, column, float(values.max()))}; the lowest is ",
        score(float(values.min()), (low, column)),
        f", by {_holders(study, column, float(values.min()))}.",
    )

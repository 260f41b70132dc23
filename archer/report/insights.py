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
    if len(order) == 1:  # of one task nothing is the bottleneck, and nowhere lie rules furthest
        said.append(_ends(study, order[0]))
    elif order:
        said.append(_bottleneck(study, order[0]))
        said += _widest(study)
    told = {finding.phrase for *_, part in grouped(study, found) for finding in part}
    trades = [f.phrase for f in found if f.kind == "trade-off" and f.certainty == "certain"]
    return said + [phrase for phrase in trades if phrase not in told][:3]


def _bottleneck(study: Study, column: str) -> Phrase:
    limit = f"The bottleneck is {column}. "
    return limit, *(_only(study, column) if len(study.rules) == 1 else _best(study, column)), "."


def _ends(study: Study, column: str) -> Phrase:
    """The best score and the lowest, where they differ as printed."""
    if len(study.rules) == 1:
        return *_only(study, column), f" on {column}."
    values = study.table[column]
    if f"{values.max():.3f}" == f"{values.min():.3f}":
        return *_best(study, column), "."
    low, worst = study.rules[int(values.argmin())], float(values.min())
    lowest = score(worst, (low, column))
    by = f", by {_holders(study, column, worst)}."
    return *_best(study, column), "; the lowest is ", lowest, by


def _only(study: Study, column: str) -> Phrase:
    rule = study.rules[0]
    value = score(float(study.table[column].iloc[0]), (rule, column))
    return f"{name(rule)} has ", value


def _best(study: Study, column: str) -> Phrase:
    values = study.table[column]
    best, rule = float(values.max()), study.rules[int(values.argmax())]
    value = score(best, (rule, column))
    return f"The best score on {column} is ", value, f", by {_holders(study, column, best)}"


def _holders(study: Study, column: str, value: float) -> str:
    """Every rule with this score, as printed."""
    scores = zip(study.rules, study.table[column], strict=True)
    return listed([name(rule) for rule, found in scores if f"{found:.3f}" == f"{value:.3f}"])


def _widest(study: Study) -> list[Phrase]:
    """The task on which rules differ most, if they differ visibly."""
    tasks = study.table.drop(columns=AVERAGE, errors="ignore").dropna(axis=1)
    if len(tasks) < 2:
        return []
    spread = tasks.max() - tasks.min()
    column = str(spread.idxmax())
    if spread[column] < VISIBLE:
        return []
    return [(f"The rules lie furthest apart on {column}. ", *_ends(study, column))]

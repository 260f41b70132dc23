"""The whole field at once: nested extremes, spreads, leading groups, how many are above a mark."""

import re
from dataclasses import replace

from archer.report.claims.clause import Clause
from archer.report.claims.combine import All, Any
from archer.report.claims.extents import Extreme, Spread, Widest, Width
from archer.report.claims.figures import Figure
from archer.report.claims.roles import tasks_near
from archer.report.claims.statements import Order, Rank, Statement, Value
from archer.report.claims.table import AVERAGE

_HIGH = r"best|highest|top|maximum|peak|largest|greatest"
_LOW = r"worst|lowest|minimum|weakest|poorest|smallest"
_NESTED = re.compile(
    rf"\b(?:(?P<up>{_HIGH})|(?P<down>{_LOW}))(?: of)? (?:(?P<best>{_HIGH})|(?P<worst>{_LOW}))"
    r" (?:scores?|accuracy|accuracies|results?|values?|T\d+)\b"
)
_SPREADS = re.compile(
    r"^(?:field |scores? |results? )?(?:of )?M(?P<m>\d+) (?:differ|vary|spread|disagree|diverge)"
    r"(?: (?:by )?(?:far ))?s? ?(?:out )?(?P<how>most|least)? ?(?:on|in) T(?P<t>\d+)"
)
_TOP_TO_BOTTOM = re.compile(
    r"(?:\b(?:gap|difference|distance|spread|range|margin) between |^between )"
    r"(?:best|top|first|highest|strongest)-and-(?:worst|bottom|last|lowest|weakest)\b"
)
_LEADERS = re.compile(
    r"\b(?P<way>top|best|bottom|worst|lowest|highest) (?P<n>\d) ?(?:M\d+ |models? |rules? |rows? )?"
    r"(?:(?:by|on|in|at) T\d+ )?(?:are|is|:)"
)

_ALL = (
    r"(?:whatever|whichever|regardless of|across|no matter|in any|for any|with any|for all|in all)"
)
_EVERYWHERE = re.compile(
    rf"(?:(?P<lead>{_ALL}) [^MTN]*?,? )?T(?P<t>\d+) (?:(?P<never>never)|always)? ?(?:\w+ "
    rf"){{0,2}}N(?P<n>\d+)"
    rf"(?P<tail>,? (?:{_ALL}|in M\d+|for M\d+)(?: (?:M\d+|[^MTN])*?)?)?\W*"
)
_TOGETHER = re.compile(
    r"\bM(?P<m>\d+) [^MTN]*(?:within N\d+ of (?:each other|1 another)|"
    r"(?:differ\w*|vary|varies|are apart) by N\d+)"
)


def find(clause: Clause) -> list[Statement]:
    """Statements about all rows together; they take the words and figures that they use."""
    for finder in (_nested, _spreads, _top_to_bottom, _leaders, _together, _bounds):
        made = finder(clause)
        if made:
            clause.taken.append((0, len(clause.text)))
            clause.used |= {i for _, _, i in clause.find("N")}
            clause.used_ranges |= {i for _, _, i in clause.find("R")}
            return made
    return []


def _one_figure(clause: Clause) -> Figure | None:
    figures = clause.find("N")
    return clause.skeleton.figures[figures[0][2]] if len(figures) == 1 else None


def _one_task(clause: Clause) -> str | None:
    tasks = tasks_near(clause, 0, 0)
    return tasks[0].single if len(tasks) == 1 else None


def _nested(clause: Clause) -> list[Statement]:
    """ "The lowest best score is 0.310, on T, by M"."""
    match = _NESTED.search(clause.text)
    if match is None:
        return []
    table, best = clause.table, match["best"] is not None
    extreme = max if best else min
    sizes = {t: extreme(table.score(m, t) for m in table.models) for t in table.tasks}
    tasks = [t.single for _, _, t in clause.tasks()]
    models = [m.single for _, _, m in clause.models()]
    if len(tasks) > 1 or len(models) > 1 or None in tasks + models:
        return []
    pick = max if match["up"] else min
    task = pick(sizes, key=lambda t: sizes[t])
    found: list[Statement] = []
    if tasks:
        found.append(Widest(str(tasks[0]), tuple(sizes.items()), match["up"] is not None))
    if models:
        found.append(Rank(str(models[0]), task, 1 if best else -1, table.models))
    figure = _one_figure(clause)
    if figure is not None:
        found.append(Extreme(task, table.models, figure, best))
    return found


def _spreads(clause: Clause) -> list[Statement]:
    """ "The rules differ most on T, from 0.364 to 0.779"."""
    match, table = _SPREADS.search(clause.text), clause.table
    if match is None:
        return []
    group, task = clause.skeleton.models[int(match["m"])], clause.skeleton.tasks[int(match["t"])]
    rest = clause.text[match.end() :]
    if not group.group or group.quant != "each" or task.single is None or len(clause.tasks()) > 1:
        return []
    choices = group.readings if table.models in group.readings else (*group.readings, table.models)
    readings = []
    for rows in choices:
        scores = {t: [table.score(m, t) for m in rows] for t in table.tasks}
        widths = tuple((t, max(x) - min(x)) for t, x in scores.items())
        parts: list[Statement] = []
        if match["how"]:
            parts.append(Widest(task.single, widths, match["how"] == "most"))
        ends = re.search(r"\bfrom N(\d+)(?: \(?M\d+\)?)? to N(\d+)", rest)
        whole = re.search(r"\bR(\d+)", rest)
        if ends:
            low, high = (clause.skeleton.figures[int(i)] for i in ends.groups())
            parts.append(Spread(tuple((m, task.single) for m in rows), low, high))
        elif whole:
            low, high = clause.skeleton.ranges[int(whole[1])]
            parts.append(Spread(tuple((m, task.single) for m in rows), low, high))
        elif (figure := _one_figure(clause)) and re.search(r"\bby N\d|N\d+ apart", rest):
            parts.append(Width(task.single, rows, figure))
        elif clause.find("N"):
            return []
        readings.append(All(tuple(parts)))
    return [Any(tuple(readings))] if readings[0].parts else []


def _top_to_bottom(clause: Clause) -> list[Statement]:
    """ "The gap between the best and the worst rule on T is 47.4 points"."""
    task, figure = _one_task(clause), _one_figure(clause)
    plain = not any(not m.group for _, _, m in clause.models())
    if not _TOP_TO_BOTTOM.search(clause.text) or task is None or figure is None or not plain:
        return []
    return [Width(task, clause.table.models, figure)]


def _together(clause: Clause) -> list[Statement]:
    """ "All six models land within 0.03 of one another on T"."""
    match, figure, tasks = _TOGETHER.search(clause.text), _one_figure(clause), clause.tasks()
    if match is None or figure is None or len(tasks) > 1 or len(clause.models()) > 1:
        return []
    group = clause.skeleton.models[int(match["m"])]
    near = tasks[0][2] if tasks else clause.context.tasks
    if not group.names[1:] or group.quant != "each" or near is None or near.quant != "each":
        return []
    within = re.search(r"\bwithin N", match[0])  # "differ by 0.03" is the width, not a bound of it
    most = replace(figure, bound="<", approx=False) if within else figure
    ways = [All(tuple(Width(t, rows, most) for t in near.names)) for rows in group.readings]
    return [Any(tuple(ways))]


def _bounds(clause: Clause) -> list[Statement]:
    """ "T never dips below 0.99, whichever model you pick": of every row."""
    match = _EVERYWHERE.fullmatch(clause.text)
    if match is None or not (match["never"] or match["lead"] or match["tail"]):
        return []
    task, figure = clause.skeleton.tasks[int(match["t"])], clause.skeleton.figures[int(match["n"])]
    some = any(clause.table.models not in m.readings for _, _, m in clause.models())
    if not figure.bound or task.quant != "each" or len(task.readings) > 1 or some:
        return []
    bound = {">": "<", "<": ">"}[figure.bound] if match["never"] else figure.bound
    whole = replace(figure, bound=bound)
    rows = clause.table.models
    return [All(tuple(Value(m, t, whole) for m in rows for t in task.names))]


def _leaders(clause: Clause) -> list[Statement]:
    """ "The top three by average are A (0.71), B (0.70) and C (0.69)": in order."""
    match = _LEADERS.search(clause.text)
    if match is None:
        return []
    rest = clause.text[match.end() :]
    named = [clause.skeleton.models[int(i)] for i in re.findall(r"\bM(\d+)", rest)]
    names = [n for m in named for n in m.names]
    task = _one_task(clause) if clause.tasks() else AVERAGE
    if task is None or len(names) != int(match["n"]) or any(m.group for m in named):
        return []
    way = 1 if match["way"] in ("top", "best", "highest") else -1
    others = [m for m in clause.table.models if m not in names]
    found: list[Statement] = [
        All(tuple(Order(a, b, task, way) for a in names for b in others)),
    ]
    for i in re.finditer(r"\bM(\d+) ?\(N(\d+)\)", rest):
        model = clause.skeleton.models[int(i[1])]
        if model.single:
            found.append(Value(model.single, task, clause.skeleton.figures[int(i[2])]))
    return found

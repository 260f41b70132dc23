"""What the report says in words, shared by the Markdown and the page."""

import inspect
import math
from collections import Counter
from dataclasses import dataclass

import archer
from archer.mad.presets import preset_of_table
from archer.mad.settings import COLUMNS
from archer.report.chosen import chosen_beforehand
from archer.report.facts import AVERAGE, Facts
from archer.report.finding import CERTAIN, VISIBLE, Finding
from archer.report.notes import bottleneck, few_seeds
from archer.report.own_rules import UNTOLD, OwnRule
from archer.report.phrases import Phrase, gap, listed, name, score, seed_span
from archer.report.record import MISSING
from archer.report.study import Study
from archer.rules.load import BUILTIN, load_rule
from archer.rules.peer import is_peer, parse_peer
from archer.stats import MARGIN

PROTOCOL_NOTES = {
    "strict": (
        "protocol `strict`: checkpoint, stopping and learning rate x weight decay are chosen on a "
        "validation split; the scores are on test data, read once"
    ),
    "mad-lab": (
        "protocol `mad-lab`: checkpoint, stopping and learning rate x weight decay are chosen on "
        "the test data that is scored, as mad-lab does; scores are therefore optimistic"
    ),
}
AT_CHOSEN_RATES = (
    "protocol `strict` at rates chosen beforehand: checkpoint and stopping are chosen on a "
    "validation split; the scores are on test data, read once"
)
GROUPS = {
    "certain": "Settled by these seeds",
    "open": "Not told apart by these seeds",
    "one seed": "One seed, nothing is certain",
}
DISAGREE = (
    "Seeds that disagree",
    "Mean ± standard deviation (sd) over seeds.",
)
NO_TASK = "No task has a score of every rule: nothing is ranked."
MEANS_ONLY = "Not settled by these seeds, means only:"
SHOWN = 8  # findings per group
EACH = 2  # of one rule, before those of others have been told

METHOD = (
    "Replication is over seeds: the settings of a task are put together within each seed first.",
    "Intervals are 95 %: Student's t, cut where it would leave [0, 1] (`cut t`).",
    "Differences are paired over common seeds and settings; p is a paired t test with Holm's "
    "correction over the rules of one task. Tasks are families of their own: where nothing "
    "differs, one table of six tasks in four still says `different` somewhere.",
)
VERDICTS = {
    "different": "p, corrected, is below 0.05",
    "equivalent": f"two one-sided t tests rule out a difference larger than {MARGIN:g} (a "
    "sign-flip test where every seed shows the same difference)",
    "identical by construction": "on this task both rules are one function and share one training",
    "cannot tell": "neither; `seeds needed` would tell with power 0.8, if the noise stays the same",
    "one seed": "nothing is tested, since nothing says how much a second seed would differ",
}


def title(study: Study) -> str:
    return f"MAD, preset `{study.preset}`"


def setup(study: Study) -> list[str]:
    """What was run, by which protocol, with what."""
    trials = study.trials
    own = trials[~trials["status"].isin([MISSING, "failed"])].drop_duplicates("trial")
    preset = preset_of_table(study.preset)
    about = "a preset of its own" if preset is None else preset.about
    beforehand = chosen_beforehand(trials)
    return [
        about + _left_out(study),
        AT_CHOSEN_RATES if beforehand else PROTOCOL_NOTES[study.protocol],
        f"{len(trials)} trials, {len(own)} of them trained, in {duration(own['seconds'].sum())} "
        f"of training on {study.device}; report by Archer {archer.__version__}",
    ]


def _left_out(study: Study) -> str:
    left = [column for task, column in COLUMNS.items() if task not in study.tasks]
    return f"; left out, and with it the average: {listed(left)}" if left else ""


def duration(seconds: float) -> str:
    """ "40 s", "12 min" or "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def legend(study: Study, mark: str) -> str:
    text = "Macro accuracy on test data, mean over settings"
    text += f" and {study.seeds} seeds" if study.seeds > 1 else ", one seed"
    text += which_seeds(study) + "."
    if not study.identical.empty:
        text += f" `{mark}`: identical by construction to the rule named below."
    return text


def which_seeds(study: Study) -> str:
    """ " (3 to 10)" where they do not begin at 0."""
    seeds = sorted(map(int, study.trials["seed"].unique()))
    return "" if seeds == list(range(len(seeds))) else f" ({seed_span(seeds)})"


def grouped(study: Study, found: list[Finding]) -> list[tuple[str, str, list[Finding]]]:
    """Key findings by how sure they are: heading, what to add to it, findings.

    A value alone is no finding of note; cells whose seeds disagree come last, by themselves.
    """
    notable = [finding for finding in found if finding.kind not in ("value", "unstable")]
    parts = [
        (heading, " ".join(few_seeds(study)) if sure == "certain" else "", sure)
        for sure, heading in GROUPS.items()
    ]
    groups = [(h, about, [f for f in notable if f.certainty == sure]) for h, about, sure in parts]
    groups.append((*DISAGREE, [finding for finding in found if finding.kind == "unstable"]))
    return [(heading, about, _varied(part)[:SHOWN]) for heading, about, part in groups if part]


def nothing_found(study: Study) -> str:
    """Why there is no key finding."""
    scored = study.table.notna().sum()
    if not (scored > 1).any():
        return "There is no second rule with a score to compare with."
    if not (scored == len(study.table)).any():
        return NO_TASK
    return "The best scores are too close to tell rules apart."


def _varied(found: list[Finding]) -> list[Finding]:
    """At most so many of each rule first, so that one bad rule does not take all the room."""
    told: Counter[str] = Counter()
    first: list[Finding] = []
    rest: list[Finding] = []
    for finding in found:
        told[finding.rule] += 1
        (first if told[finding.rule] <= EACH else rest).append(finding)
    return first + rest


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


@dataclass(frozen=True)
class RulePart:
    """One rule: its text, knobs, and the cells by what may be said of them."""

    rule: str
    row: str
    about: str
    equations: str
    knobs: str
    helps: list[Facts]
    hurts: list[Facts]
    open: list[Facts]
    same: list[Facts]

    def sentences(self, study: Study) -> list[tuple[str, list[Phrase]]]:
        """Introduction and sentences: where the verdict is different, then means alone."""
        settled = [
            *(_moved(study, "helps", cell) for cell in self.helps),
            *(_moved(study, "hurts", cell) for cell in self.hurts),
        ]
        open_ = [_moved(study, "is", c) for c in self.open if abs(c.difference) >= VISIBLE]
        parts = (("Settled by these seeds:", settled), (MEANS_ONLY, open_))
        return [(intro, said) for intro, said in parts if said]


def _moved(study: Study, verb: str, cell: Facts) -> Phrase:
    amount = gap(cell.difference, (cell.rule, cell.column), (str(study.baseline), cell.column))
    if verb != "is":
        return (f"{name(cell.rule)} {verb} on {cell.column} by ", amount, ".")
    side = "above" if cell.difference > 0 else "below"
    base = name(str(study.baseline))
    return (f"{name(cell.rule)} is ", amount, f" {side} {base} on {cell.column}.")


def rule_parts(study: Study) -> list[RulePart]:
    """Every rule in the table's order: what it is and what it did."""
    return [_rule_part(study, rule) for rule in study.rules]


def _rule_part(study: Study, rule: str) -> RulePart:
    about, _, equations = _doc(study, rule).partition("\n")
    cells = [study.facts[rule, column] for column in study.tasks.values()]
    cells = [c for c in cells if not math.isnan(c.difference)]
    different = [c for c in cells if c.verdict == "different"]
    return RulePart(
        rule,
        study.rows[rule],
        about.strip(),
        inspect.cleandoc(equations).strip("\n"),
        _knobs(study, rule),
        sorted((c for c in different if c.difference > 0), key=lambda c: -c.difference),
        sorted((c for c in different if c.difference < 0), key=lambda c: c.difference),
        sorted((c for c in cells if c.verdict not in CERTAIN), key=lambda c: -abs(c.difference)),
        [c for c in cells if c.verdict in ("equivalent", "identical by construction")],
    )


def _doc(study: Study, rule: str) -> str:
    """The text of a rule or a peer, or that it is not known."""
    if is_peer(rule):
        return parse_peer(rule).about
    if rule not in BUILTIN:
        about = study.own.get(rule, OwnRule()).about
        return UNTOLD if about is None else about
    return inspect.getdoc(inspect.getmodule(load_rule(rule))) or ""


def _knobs(study: Study, rule: str) -> str:
    mine = study.trials[study.trials["rule"] == rule]
    found = []
    for column in mine.columns:
        if not column.startswith("knob.") or mine[column].isna().all():
            continue
        values = ", ".join(f"{value:g}" for value in sorted(mine[column].dropna().unique()))
        text = f"{column.removeprefix('knob.')} = {values}"
        learned = f"learned.{column.removeprefix('knob.')}"
        if learned in mine and mine[learned].notna().any():
            text += f" at the start, {mine[learned].mean():.3g} at the end (learned, mean)"
        found.append(text)
    return "; ".join(found)

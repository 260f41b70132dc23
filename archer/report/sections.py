"""What the report says in words, shared by the Markdown and the page."""

from collections import Counter

import archer
from archer.mad.presets import preset_of_table
from archer.mad.settings import COLUMNS
from archer.report.chosen import chosen_beforehand
from archer.report.finding import Finding
from archer.report.notes import few_seeds
from archer.report.phrases import listed, seed_span
from archer.report.record import MISSING
from archer.report.study import Study
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

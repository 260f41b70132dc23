"""The report of a benchmark as Markdown: table, findings, rules, tasks, cost, next steps."""

import math
import re
from collections.abc import Iterable, Sequence

import pandas as pd

from archer.report import expectations, proposed, tuning
from archer.report.beside import Published, beside
from archer.report.beside import legend as beside_legend
from archer.report.costs import costs
from archer.report.difficulty import break_points, curves_of, difficulty
from archer.report.finding import Finding
from archer.report.findings import findings
from archer.report.insights import insights
from archer.report.notes import next_steps, notes
from archer.report.phrases import plain, signed
from archer.report.rule_parts import RulePart, rule_parts
from archer.report.sections import (
    METHOD,
    NO_TASK,
    VERDICTS,
    grouped,
    legend,
    nothing_found,
    setup,
    title,
)
from archer.report.study import Study
from archer.report.tables import MARK, cells, differences, markdown_table, number

BROKEN = "a rule breaks where it falls below half of its easiest setting for good"
FILES = (
    "`results.csv`: the table above, unrounded",
    "`cells.csv`: every cell with its deviation, interval and number of seeds",
    "`trials.csv`: every trained member: setting, lr, weight decay, seed, knobs, scores, loss, "
    "steps, seconds, how it ended",
    "`curves.csv`: every epoch of every trained member: losses, accuracy, perplexity",
    "`report.html`: this report with plots, in one file that needs no network",
)


def report(study: Study, published: Sequence[Published] = ()) -> str:
    """The whole report as text. published: rows to stand beside ours, besides those known."""
    found = findings(study)
    parts = [
        f"# {title(study)}",
        _bullets(setup(study)),
        f"## Accuracy, protocol `{study.protocol}`",
        markdown_table(cells(study)),
        legend(study, MARK),
        *_differences(study),
        *_beside(study, published),
        "## Key findings",
        *_findings(study, found),
        "## Insight and bottleneck",
        _bullets(plain(phrase) for phrase in insights(study, found)) or NO_TASK,
        "## What was tried",
        *(text for part in rule_parts(study) for text in _rule(study, part)),
        *_expected(study),
        f"## Tasks, protocol `{study.protocol}`",
        *_tasks(study),
        *_knobs(study),
        "## Cost",
        *_cost(study),
        *_proposed(study),
        "## Next steps",
        "Plans that follow from the numbers, not measurements.",
        _bullets(next_steps(study)),
        "## Keep in mind",
        _bullets(notes(study)) or "Nothing beyond what is said under the next heading.",
        "## How this was computed",
        _bullets(METHOD),
        markdown_table(pd.DataFrame({"verdict": VERDICTS})),
        "## Files",
        _bullets(FILES),
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _differences(study: Study) -> list[str]:
    text = differences(study)
    heading = f"## Difference to `{study.baseline}`, protocol `{study.protocol}`"
    return [] if text is None else [heading, markdown_table(text)]


def _beside(study: Study, published: Sequence[Published]) -> list[str]:
    text = beside(study, published)
    if text is None:
        return []
    return ["## Beside published tables", beside_legend(study), markdown_table(text)]


def _findings(study: Study, found: list[Finding]) -> list[str]:
    groups = grouped(study, found)
    if not groups:
        return [nothing_found(study)]
    return [
        text
        for heading, about, part in groups
        for text in (f"### {heading}", about, _bullets(finding.text for finding in part))
        if text
    ]


def _rule(study: Study, part: RulePart) -> list[str]:
    text = [f"### {part.rule}"]
    if part.about:
        text.append(part.about)
    if part.equations:
        text.append(_fenced(part.equations))
    if part.knobs:
        text.append(f"Knobs:\n\n```\n{part.knobs}\n```")
    for intro, said in part.sentences(study):
        text += [intro, _bullets(plain(phrase) for phrase in said)]
    if part.rule == study.baseline:
        text.append("The baseline of every comparison here.")
    return text


def _fenced(text: str) -> str:
    """As code, whatever fences an author put into it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def _expected(study: Study) -> list[str]:
    table, lost = expectations.frame(study), expectations.unknown(study)
    if table is None:
        return [_bullets(lost)] if lost else []
    heading = "## Expected against measured"
    return [
        heading,
        expectations.LEGEND,
        markdown_table(table),
        *([_bullets(lost)] if lost else []),
    ]


def _proposed(study: Study) -> list[str]:
    if study.proposed is None:
        return []
    return [f"## {proposed.HEADING}", *proposed.markdown(study.proposed)]


def _tasks(study: Study) -> list[str]:
    settings = difficulty(study)
    parts = []
    for task, column in study.tasks.items():
        ends = break_points(settings, task)
        parts += [f"### {column}", _statistics(study, column)]
        for field, curve in curves_of(settings, task).items():
            shown = curve.map(number)
            shown.columns = pd.Index([f"{value:g}" for value in curve.columns])
            whole = curve.notna().all(axis=1)  # of a rule that lacks a score nobody knows
            shown["breaks at"] = [
                ends.get((rule, field), "never" if whole[rule] else "-") for rule in shown.index
            ]
            parts += [f"By `{field}`, the easiest first; {BROKEN}:", markdown_table(shown)]
    return parts


def _knobs(study: Study) -> list[str]:
    """Curves of knobs that were tried with several values, and where learned ones ended."""
    parts = []
    if curves := tuning.tuned(study):
        parts += ["## Knob curves", f"{tuning.legend(study)} {tuning.CHOSEN_AMONG}"]
    for rule, curve in curves.items():
        parts += [f"### {rule}", f"By {tuning.names_of(curve)}:"]
        parts.append(markdown_table(tuning.curve_text(curve)))
    learned = tuning.learned_text(study)
    if learned is not None:
        parts += ["## Learned knobs", tuning.LEARNED, markdown_table(learned)]
    return parts


def _statistics(study: Study, column: str) -> str:
    """One row per rule: the cell over its seeds, and its difference to the baseline."""
    base = study.baseline
    head = ["accuracy", "sd", "low", "high", "seeds", "interval"]
    if base is not None:
        head += [f"difference to {base}", "CI low", "CI high", "p", "verdict", "seeds needed"]
    rows = {}
    for rule in study.rules:
        f = study.facts[rule, column]
        row = [_number(f.score), *map(_number, (f.sd, f.low, f.high)), str(f.n), f.method or "-"]
        if base is not None:
            gaps = [_signed(x) for x in (f.difference, f.d_low, f.d_high)]
            gap, *ends = gaps if rule != base else [""] * 3
            needed = "" if f.seeds_needed is None else str(f.seeds_needed)
            row += [gap, *ends, _number(f.p, ".2g"), f.verdict, needed]
        rows[rule] = row
    return markdown_table(pd.DataFrame.from_dict(rows, orient="index", columns=head))


def _number(value: float, form: str = ".4f") -> str:
    return "-" if math.isnan(value) else format(value, form)


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else signed(value, 4)


def _cost(study: Study) -> list[str]:
    rows = {
        cost.rule: [
            str(cost.trials),
            f"{cost.seconds:.1f}",
            "-" if cost.per_step is None else f"{cost.per_step:.2f}",
            "-" if cost.ratio is None else f"{cost.ratio:.2f}",
            "unknown" if cost.slots is None else str(cost.slots),
        ]
        for cost in costs(study)
    }
    head = ["trials trained", "time: seconds in all", "time: ms per step", "time ratio", "slots"]
    return [
        markdown_table(pd.DataFrame.from_dict(rows, orient="index", columns=head)),
        "A member's time is its share of its population's, so it depends on the population's size "
        "and on what else the machine did. A slot is one more memory of the size of S per layer "
        "and head. The time of a step is all seconds over all steps of the settings that every "
        "rule trained; its ratio is to the baseline's.",
    ]

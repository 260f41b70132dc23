"""What the model is told: the mission, and the state of the search within a length."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from archer.research.llm.reply import line
from archer.research.llm.tables import best_per_task, forecasts, niches, result_tables
from archer.research.proposal import Candidate, History, Outcome

MISSION = Path(__file__).with_name("mission.md")
BYTES_PER_TOKEN = 3  # English and code have about 4; the budget itself counts one


@dataclass(frozen=True)
class Section:
    """A headed list, most relevant line first; lines at the end are dropped if need be.

    share: of the length that earlier sections left, at most this much.
    """

    title: str
    lines: Sequence[str]
    share: float = 0.5


def mission() -> str:
    """The standing instructions, with the operations that are allowed today."""
    from archer.rules.functions import ALLOWED

    text = MISSION.read_text(encoding="utf-8")
    return Template(text).substitute(operations=", ".join(sorted(ALLOWED)))


def tokens(text: str) -> int:
    """About how many tokens a text has."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def state(history: History, most_tokens: int) -> str:
    """The search so far, at most about that many tokens long.

    What matters least is left out first (the lowest scores, the oldest failures), and the text
    says how much was.
    """
    request = _request(history)
    left = most_tokens - tokens(request)
    parts = []
    for section in _sections(history):
        text = _fill(section, int(left * section.share))
        left -= tokens(text)
        parts.append(text)
    return "\n\n".join(filter(None, [*parts, request]))


def _sections(history: History) -> list[Section]:
    tasks = history.tasks
    parents = [_parent(i, parent) for i, parent in enumerate(history.parents)]
    tables = [
        Section(f"Results at preset {stage}", rows)
        for stage, rows in result_tables(history).items()
    ]
    return [
        Section("The rule to improve on", parents, share=0.6),
        *tables,
        Section("Best rule per task at the highest preset", best_per_task(history)),
        Section(
            "The archive: best rule per niche (tasks improved over delta, cost)", niches(history)
        ),
        Section("Refused by a gate; do not propose these again", _why(history, "refused")),
        Section("Training failed", _why(history, "failed")),
        Section("Trained, not better", _why(history, "weeded")),
        Section("Trained, and not compared yet", _why(history, "trains")),
        Section("Predicted change, and what was measured against the parent", forecasts(history)),
        Section("Names that are taken", [_names(history.candidates)], share=1.0),
        Section("Tasks that count", [", ".join(tasks)], share=1.0),
    ]


def _parent(place: int, parent: Candidate) -> str:
    what = "First parent" if place == 0 else "Second parent, which may be mixed in"
    reasons = f"\n{line(parent.proposal.motivation)}" if parent.proposal else ""
    return f"{what}: {parent.name}{reasons}\n\n```python\n{parent.source.strip()}\n```"


def _why(history: History, outcome: Outcome) -> list[str]:
    """One line per candidate with that outcome, newest first."""
    return [
        f"- {candidate.name}: {_idea(candidate)}-> {line(candidate.reason, most=240)}"
        for candidate in reversed(history.candidates)
        if candidate.outcome == outcome
    ]


def _idea(candidate: Candidate) -> str:
    return f"{line(candidate.proposal.motivation, most=160)} " if candidate.proposal else ""


def _names(candidates: Iterable[Candidate]) -> str:
    return ", ".join(dict.fromkeys(candidate.name for candidate in reversed(list(candidates))))


def _request(history: History) -> str:
    first = history.parents[0].name if history.parents else "delta"
    return (
        f"Propose rule number {history.number + 1}: new, different from everything above, and "
        f"likely to beat {first}. State the expected change against {first} for each of: "
        f"{', '.join(history.tasks)}."
    )


def _fill(section: Section, most: int) -> str:
    """The section with as many of its lines as fit; cuts a line only if it is the first."""
    if not section.lines:
        return ""
    taken, used = [f"## {section.title}\n"], tokens(section.title) + 30
    for place, text in enumerate(section.lines):
        room = (most - used) * BYTES_PER_TOKEN
        if tokens(text) <= most - used:
            taken.append(text)
            used += tokens(text) + 1
        elif place == 0 and room > 300:
            cut = text.encode()[:room].decode(errors="ignore")
            taken.append(f"{cut}\n(cut here for length)")
            used = most
        else:
            taken.append(f"({len(section.lines) - place} more left out for length)")
            break
    return "\n".join(taken)

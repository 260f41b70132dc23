"""Stages of testing, cheapest first, and what comes next for a candidate."""

from archer.research.proposal import Outcome

STAGES = ("smoke", "quick", "core", "mad")
BASELINES = ("delta", "gated_delta")  # every promoted rule is held against these and its parent


def up_to(preset: str) -> tuple[str, ...]:
    """The stages of a session whose last one is `preset`."""
    return STAGES[: STAGES.index(preset) + 1]


def search_stage(preset: str) -> str:
    """The stage whose scores proposers see and parents are chosen by: the first that means
    something, `quick`; `smoke` only if there is no other."""
    return "smoke" if preset == "smoke" else "quick"


def only_weeds(stage: str, preset: str) -> bool:
    """Whether a session with this last stage takes no score from the stage."""
    return stage == "smoke" and search_stage(preset) != "smoke"


def next_step(outcome: Outcome, gated: bool, stage: str, preset: str) -> str | None:
    """ "gate", the stage to be tested on, or None when nothing is left to do.

    stage: the last it was tested on, "" for none.
    """
    if outcome in ("refused", "failed", "weeded", "trains"):
        return None
    if not gated:
        return "gate"
    left = [s for s in up_to(preset) if not stage or STAGES.index(s) > STAGES.index(stage)]
    return left[0] if left else None

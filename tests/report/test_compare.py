"""Two folders side by side."""

import math

import pandas as pd
import pytest

from archer.errors import ArcherError
from archer.report.compare import Comparison
from archer.report.study import Study
from archer.stats import compare

RECALL, MEMORIZE = "in-context-recall", "memorization"
SIX = [0.500, 0.511, 0.493, 0.504, 0.487, 0.508]


def changes(made, a, b, seeds=6):
    found = Comparison(Study.of(made(a, seeds=seeds)), Study.of(made(b, seeds=seeds)))
    return found, {(c.rule, c.column): c for c in found.changes}


def test_a_shift_larger_than_the_noise_is_told_from_none(made):
    up = [x + 0.1 + 0.001 * (-1) ** i for i, x in enumerate(SIX)]
    jitter = [x + y for x, y in zip(SIX, (0.05, -0.06, 0.04, -0.03, 0.07, -0.05), strict=True)]
    a = {("delta", RECALL): SIX, ("momentum", RECALL): SIX, ("adam", RECALL): SIX}
    b = {("delta", RECALL): up, ("momentum", RECALL): jitter, ("adam", RECALL): SIX}
    _, found = changes(made, a, b)
    moved = found["delta", "Context Recall"]
    assert moved.verdict == "beyond noise"
    assert moved.difference == pytest.approx(0.1)
    assert moved.low < 0.1 < moved.high
    assert (moved.seeds, moved.settings) == (6, 1)
    assert found["momentum", "Context Recall"].verdict == "cannot tell"
    assert found["adam", "Context Recall"].verdict == "unchanged"


def test_holm_is_over_the_rules_of_the_task(made):
    up = [x + 0.1 + 0.02 * (-1) ** i for i, x in enumerate(SIX)]
    one = {("delta", RECALL): SIX}
    two = one | {("momentum", RECALL): SIX}
    alone = changes(made, one, {("delta", RECALL): up})[1]["delta", "Context Recall"]
    both = changes(made, two, dict.fromkeys(two, up))[1]["delta", "Context Recall"]
    assert both.p == pytest.approx(2 * alone.p)


FIVE = ("delta", "gated_delta", "momentum", "adam", "decay")
SLIGHT = (0.0018, -0.0054, 0.0072, 0.0081, -0.0027)  # equivalence alone: p = 0.027, of five 0.13


def shifted(made, rules, by, unchanged=()):
    """Rules' changes on one task, all by the same differences, beside some that did not change."""
    base = SIX[: len(by)]
    a = {(rule, RECALL): base for rule in (*rules, *unchanged)}
    up = [x + d for x, d in zip(base, by, strict=True)]
    found = changes(made, a, a | {(rule, RECALL): up for rule in rules}, len(by))[1]
    return [found[rule, "Context Recall"] for rule in rules]


def test_equivalence_is_corrected_over_the_rules_too(made):
    assert [c.verdict for c in shifted(made, FIVE[:1], SLIGHT)] == ["equivalent"]
    assert [c.verdict for c in shifted(made, FIVE, SLIGHT)] == ["cannot tell"] * 5


def test_it_judges_as_the_statistics_of_one_table_do(made):
    """The same differences, as rules beside a baseline of one run."""
    sides = dict.fromkeys(FIVE, SLIGHT) | {"base": (0.0,) * 5}
    rows = [
        (rule, "setting", seed, SIX[seed] + d)
        for rule, by in sides.items()
        for seed, d in enumerate(by)
    ]
    frame = pd.DataFrame(rows, columns=["rule", "setting", "seed", "accuracy"])
    table = compare(frame.assign(row=frame["rule"], task="t", column="T"), "base")
    found = shifted(made, FIVE, SLIGHT)
    assert [c.verdict for c in found] == list(table["verdict"])
    assert [c.why for c in found] == list(table["statement"])
    assert [c.p for c in found] == pytest.approx(list(table["p_holm"]))


def test_what_limits_a_verdict_knows_how_many_rules_there_are(made):
    """Six seeds can reach 0.03 by the sign-flip test, which is enough for one rule only."""
    up = [0.1 + 0.02 * (-1) ** i for i in range(6)]
    assert shifted(made, FIVE[:1], up)[0].why is None
    assert shifted(made, FIVE[:1], up, unchanged=FIVE[1:])[0].why is None
    assert [c.why.split(":")[0] for c in shifted(made, FIVE[:2], up)] == ["6 seeds"] * 2


def test_few_seeds_claim_nothing_and_say_why(made):
    for seeds, verdict, why in ((1, "one seed", "one seed"), (2, "cannot tell", "two seeds")):
        a, b = {("delta", RECALL): SIX}, {("delta", RECALL): [x + 0.2 for x in SIX[::-1]]}
        change = changes(made, a, b, seeds)[1]["delta", "Context Recall"]
        assert change.verdict == verdict
        assert change.why.startswith(why)


def test_what_one_side_lacks_is_said_and_left_out(made):
    a = {("delta", RECALL): 0.5, ("momentum", RECALL): 0.5}
    b = {("delta", RECALL): 0.5, ("delta", MEMORIZE): 0.25}
    found, cells = changes(made, a, b, 1)
    assert list(cells) == [("delta", "Context Recall")]
    assert "only in A: rule momentum" in found.missing
    assert any(line.startswith("only in B: setting memorization/") for line in found.missing)


def test_presets_without_a_common_setting_share_nothing(made):
    a, b = made({("delta", RECALL): 0.5}), made({("delta", RECALL): 0.5}, comparable=True)
    found = Comparison(Study.of(a), Study.of(b))
    assert [c.verdict for c in found.changes] == ["nothing shared"]
    assert "preset: smoke in A, core in B" in found.missing


def test_two_protocols_are_not_compared(made):
    a = made({("delta", RECALL): 0.5})
    study = Study.of(a)
    other = Study(a.trials.assign(protocol="mad-lab"), baseline="delta")
    with pytest.raises(ArcherError, match="scores mean different things"):
        Comparison(study, other)


@pytest.mark.parametrize("folder", ["A", "B"])
def test_a_cell_that_lost_seeds_has_no_verdict(made, folder):
    """Six seeds, three of which diverged in one folder: the other three settle nothing."""
    up = [x + 0.1 + 0.001 * (-1) ** i for i, x in enumerate(SIX)]
    whole = {("delta", RECALL): SIX, ("momentum", RECALL): SIX}
    holed = {("delta", RECALL): up, ("momentum", RECALL): [math.nan] * 3 + up[3:]}
    a, b = (whole, holed) if folder == "B" else (holed, whole)
    found, cells = changes(made, a, b)
    assert cells["delta", "Context Recall"].verdict == "beyond noise"
    lost = cells["momentum", "Context Recall"]
    assert (lost.verdict, lost.why) == ("cannot tell", "cannot tell: 3 of 6 seeds have no score")
    assert all(map(math.isnan, (lost.a, lost.b, lost.difference, lost.low, lost.high, lost.p)))
    assert lost.seeds == 0
    assert f"no score in {folder}: momentum on Context Recall, seeds 0, 1, 2" in found.missing


def test_a_population_that_failed_has_no_score(made):
    found, cells = changes(made, {("delta", RECALL): 0.5}, {("delta", RECALL): None}, 1)
    assert cells["delta", "Context Recall"].verdict == "cannot tell"
    assert "no score in B: delta on Context Recall, seed 0" in found.missing

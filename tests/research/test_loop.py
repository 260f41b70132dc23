"""The loop: what it records, in which order, when it ends, and what it makes of bad proposals."""

import json
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from standins import FakeLab, Family, first, plain_gate, scaled

from archer.errors import ArcherError
from archer.mad.settings import TASKS
from archer.research.bar import NOISE_SEEDS, fresh_from
from archer.research.entries import Arm, candidate_id
from archer.research.examine import TRAINS, Examiner
from archer.research.gating import Gate
from archer.research.lab import Lab, builtin
from archer.research.ledger import Ledger
from archer.research.loop import Loop
from archer.research.overview import Overview
from archer.research.proposal import Proposer, Spent
from archer.research.settings import Budget, Settings
from archer.research.spending import FRUITLESS
from archer.research.start import lab_of
from archer.research.summary import summary
from archer.research.verdict import Gated, Verdict
from archer.rules.load import BUILTIN
from archer.store import open_store

QUICK = Settings(Budget(4), preset="quick", batch=2, claim_seeds=3)
SMOKE = replace(QUICK, preset="smoke")


def loop(
    folder: Path,
    settings: Settings = QUICK,
    proposers: Mapping[Arm, Proposer] | None = None,
    gate: Gate | None = None,
    lab: type[FakeLab] = FakeLab,
) -> Loop:
    """A loop in a folder; goes on with the session that is there."""
    folder.mkdir(exist_ok=True)
    store = open_store(folder)
    ledger = Ledger(store)
    session = next(iter(ledger.sessions()), None) or ledger.begin(settings)
    said: list[str] = []
    return Loop(
        ledger,
        session,
        Examiner(ledger, session, lab(store), said.append),
        proposers or {"search": Family()},
        gate or plain_gate(folder),
        first,
        said.append,
        lambda group: None,
    )


def test_a_session_is_recorded_from_end_to_end(tmp_path):
    made = loop(tmp_path)
    assert made.run() == "the budget of 4 candidates is spent"
    entries = made.entries("search")
    assert [e.number for e in entries] == [0, 1, 2, 3]
    assert [e.id for e in entries] == [candidate_id(1, "search", n) for n in range(4)]
    assert {e.outcome for e in entries} == {"promoted"}
    assert {e.stage for e in entries} == {"quick"}
    one = entries[0]
    assert one.source == scaled(0.9, "Scaled0")
    assert one.proposal.expected == {"compression": 0.02, "memorization": 0.0}
    assert one.cost == 1.2
    assert one.protection == ("none",)
    assert [v.gate for v in made.ledger.verdicts(one)] == ["traces", "novel"]
    assert made.ledger.dialogue(one) == [{"role": "user", "content": "propose"}]
    assert made.ledger.sessions()[0].why == "the budget of 4 candidates is spent"
    assert all(e.asked < (e.ended or 0) for e in entries)


def test_scores_while_searching_are_validation_scores_of_the_seeds_of_the_search(tmp_path):
    made = loop(tmp_path, replace(QUICK, seeds=2))
    made.run()
    found = made.ledger.scores(1)
    own = found[(found["rule"] == made.entries("search")[0].id) & (found["stage"] == "quick")]
    assert sorted(own["seed"].unique()) == [0, 1]
    assert set(own["task"]) == set(TASKS)
    delta = found[(found["rule"] == "delta") & (found["stage"] == "quick")]
    assert delta["seed"].nunique() == NOISE_SEEDS
    assert set(found.loc[found["stage"] == "quick", "rule"]) >= set(BUILTIN)
    # smoke trains the candidate alone, and its scores are kept apart
    assert set(found.loc[found["stage"] == "smoke", "rule"]) == {
        e.id for e in made.entries("search")
    }


def test_test_data_is_read_for_promoted_rules_only_and_on_fresh_seeds(tmp_path):
    made = loop(tmp_path, proposers={"search": Family([0.9, 1.1, 0.8, 1.2])})
    made.run()
    promoted = {e.id for e in made.entries("search") if e.outcome == "promoted"}
    assert len(promoted) == 2
    tests = made.ledger.scores(1, "test")
    assert set(tests["rule"]) == promoted | {"delta", "gated_delta"}
    # the search used seed 0, and 0 to 4 of delta set the bar
    assert sorted(tests["seed"].unique()) == [5, 6, 7]


def test_fresh_seeds_begin_after_all_that_were_looked_at():
    assert [fresh_from(seeds) for seeds in (1, NOISE_SEEDS, 7)] == [NOISE_SEEDS, NOISE_SEEDS, 7]


def test_the_lab_trains_no_seed_below_the_first_it_is_asked_for(tmp_path):
    with open_store(tmp_path) as store:
        plan = Lab(store).plan([builtin("delta"), builtin("decay")], "smoke", 2, first=5)
    trained = [trial for population in plan.populations for trial in population.trials]
    assert {row.trial.seed for row in plan.rows} == {trial.seed for trial in trained} == {5, 6}
    assert {row.trial.id for row in plan.rows} == {trial.id for trial in trained}


def test_nothing_is_promoted_for_a_smoke_score(tmp_path):
    made = loop(tmp_path, SMOKE)
    made.run()
    assert {(e.outcome, e.reason) for e in made.entries("search")} == {("trains", TRAINS)}
    assert made.ledger.scores(1, "test").empty


def test_a_rule_that_does_not_beat_delta_by_the_bar_is_weeded_with_figures(tmp_path):
    made = loop(tmp_path, proposers={"search": Family([0.999, 1.1, 0.9, 0.8])})
    made.run()
    entries = made.entries("search")
    assert [e.outcome for e in entries] == ["weeded", "weeded", "promoted", "promoted"]
    assert "not above the bar" in entries[0].reason
    # 0.1 on four tasks; on two a sequence fits one chunk and the rule is delta by construction
    gain = float(entries[2].reason.split()[1])
    assert gain == pytest.approx(0.4 / 6, abs=0.002)


class Breaks(FakeLab):
    broken, diverging = frozenset({0.9}), frozenset({0.8})


def test_a_training_that_breaks_or_diverges_ends_that_candidate_only(tmp_path):
    made = loop(tmp_path, proposers={"search": Family([0.9, 0.8, 0.7, 0.6])}, lab=Breaks)
    made.run()
    entries = made.entries("search")
    assert [e.outcome for e in entries] == ["failed", "weeded", "promoted", "promoted"]
    assert entries[0].reason == "training failed: RuntimeError: out of memory"
    # not on Compress and Memorize, where a sequence fits one chunk and the rule is delta
    lost = "Context Recall, Fuzzy Recall, Noisy Recall, Selective Copy"
    assert entries[1].reason == f"diverged on {lost}"
    assert {e.stage for e in entries[:2]} == {"smoke"}


def test_what_was_proposed_before_is_refused_and_known_to_the_next(tmp_path):
    made = loop(tmp_path, proposers={"search": Family([0.9, 0.9, 0.9, 0.8])})
    made.run()
    entries = made.entries("search")
    assert [e.outcome for e in entries] == ["promoted", "refused", "refused", "promoted"]
    # the first two are of one generation, whose gates know what was there before it
    same = "novel: the same mathematics as the known rule scaled0"
    told = made.history("search", 4).candidates
    reasons = [c.reason for c in told if c.outcome == "refused"]
    assert reasons == [same, "novel: is scaled0"]


def test_a_generation_is_gated_side_by_side_and_recorded_in_its_order(tmp_path):
    passing, both = plain_gate(tmp_path), threading.Barrier(2)

    def gate(proposal, known):
        both.wait(timeout=60)  # passed only while the other is inside too
        if proposal.name == "scaled1":
            raise OSError("no room")
        return passing(proposal, known)

    made = replace(loop(tmp_path, SMOKE, gate=gate), at_once=2)
    made.run()
    entries = made.entries("search")
    assert [e.outcome for e in entries] == ["trains", "refused", "trains", "trains"]
    assert entries[1].reason == "gates: broke down: OSError: no room"


def test_a_proposer_with_nothing_to_offer_is_recorded_and_the_loop_goes_on(tmp_path):
    made = loop(tmp_path, proposers={"search": Family([0.9, -1, 0.8, 0.7], Spent(2.0, 5, 6, 0.5))})
    made.run()
    none = made.entries("search")[1]
    assert (none.outcome, none.reason) == ("refused", "no proposal: nothing to offer")
    assert none.proposal.spent == Spent(2.0, 5, 6, 0.5)
    assert made.ledger.dialogue(none) == [{"text": "asked in vain"}]
    assert len(made.history("search", 4).candidates) == len(BUILTIN) + 3


def test_a_proposer_that_always_fails_ends_the_search(tmp_path):
    made = loop(tmp_path, replace(QUICK, budget=Budget(50)), {"search": Family([-1.0] * 50)})
    why = made.run()
    assert why.startswith(f"{FRUITLESS} proposals in a row came to nothing")
    assert len(made.entries("search")) == FRUITLESS


def test_a_proposer_or_a_gate_with_a_fault_does_not_end_the_loop(tmp_path):
    class Faulty(Family):
        def ask(self, history):
            if history.number == 1:
                raise ZeroDivisionError("oh")
            return super().ask(history)

    passing = plain_gate(tmp_path)

    def gate(proposal, known):
        if proposal.name == "scaled2":
            raise RecursionError("deep")
        return passing(proposal, known)

    made = loop(tmp_path, proposers={"search": Faulty()}, gate=gate)
    made.run()
    entries = made.entries("search")
    assert [e.outcome for e in entries] == ["promoted", "refused", "refused", "promoted"]
    assert entries[1].reason == "no proposal: ZeroDivisionError: oh"
    assert entries[2].reason == "gates: broke down: RecursionError: deep"


def test_a_mistake_of_the_users_ends_it(tmp_path):
    class Missing(Family):
        def ask(self, history):
            raise ArcherError("pip install something")

    with pytest.raises(ArcherError, match="pip install"):
        loop(tmp_path, proposers={"search": Missing()}).run()


def test_what_a_proposer_wrote_about_itself_is_made_sound(tmp_path):
    class Liar(Family):
        def ask(self, history):
            honest = super().ask(history)
            wild = {"compression": math.inf, "memorization": 7.0, "chess": 0.5}
            return replace(honest, name="../../etc/passwd", parents=("nobody",), expected=wild)

    made = loop(tmp_path, replace(QUICK, budget=Budget(1)), {"search": Liar()})
    made.run()
    (entry,) = made.entries("search")
    assert entry.name == "unnamed"
    assert entry.parent == "delta"
    assert entry.proposal.expected == {"memorization": 1.0}


def test_names_are_made_unique(tmp_path):
    class Same(Family):
        def ask(self, history):
            return replace(super().ask(history), name="delta")

    made = loop(tmp_path, replace(QUICK, budget=Budget(2)), {"search": Same()})
    made.run()
    assert [e.name for e in made.entries("search")] == [
        f"delta_{e.id}" for e in made.entries("search")
    ]


@pytest.mark.parametrize(
    ("budget", "cost", "asked", "why"),
    [
        (Budget(9, dollars=1.0), Spent(0, 0, 0, 0.6), 2, "the budget of 1 dollars is spent"),
        (Budget(9, hours=1e-9), Spent(), 1, "the budget of 1e-09 hours is spent"),
        (Budget(3), Spent(), 3, "the budget of 3 candidates is spent"),
    ],
)
def test_budgets(tmp_path, budget, cost, asked, why):
    made = loop(tmp_path, replace(SMOKE, budget=budget), {"search": Family(spent=cost)})
    assert made.run() == why
    assert len(made.entries("search")) == asked


def test_gpu_hours_count_training_on_a_gpu_only(tmp_path):
    from archer.research.spending import Spending

    made = loop(tmp_path, SMOKE)
    made.run()
    entries = made.entries("search")
    training = sum(e.training for e in entries)
    assert training > 0
    assert Spending.of(entries, "cpu").gpu_seconds == 0
    assert Spending.of(entries, "cuda").gpu_seconds == training


def test_training_that_was_interrupted_counts(tmp_path):
    class Stopped(FakeLab):
        def measure(self, subjects, *given):
            if any(each.key not in BUILTIN for each in subjects):
                time.sleep(0.05)
                raise KeyboardInterrupt
            return super().measure(subjects, *given)

    for times in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            loop(tmp_path, SMOKE, lab=Stopped).run()
        entries = loop(tmp_path, SMOKE).entries("search")
        assert sum(e.training for e in entries) >= 0.05 * times
    loop(tmp_path, SMOKE).run()
    done = loop(tmp_path, SMOKE).entries("search")
    assert all(b.training > a.training for a, b in zip(entries, done, strict=False))


def test_the_control_has_the_same_budget_and_knows_nothing_of_the_search(tmp_path):
    search, control = Family(), Family([0.5, 0.9, 0.4, 0.3])
    made = loop(tmp_path, replace(QUICK, control=True), {"search": search, "control": control})
    made.run()
    assert [e.number for e in made.entries("control")] == [0, 1, 2, 3]
    # 0.9 was the search's first rule: new to the control all the same
    assert made.entries("control")[1].outcome == "promoted"
    known = made.history("control", 4)
    assert {c.id for c in known.candidates} == set(BUILTIN) | {
        e.id for e in made.entries("control")
    }
    assert [p.id for p in known.parents] == ["delta"]
    # only the search's promoted rules are compared on test data
    assert not set(made.ledger.scores(1, "test")["rule"]) & {e.id for e in made.entries("control")}


def test_the_control_never_gets_more_candidates_than_the_search(tmp_path):
    settings = replace(SMOKE, budget=Budget(20, dollars=1.0), control=True)
    arms = {"search": Family(spent=Spent(dollars=0.3)), "control": Family()}
    made = loop(tmp_path, settings, arms)
    made.run()
    assert len(made.entries("search")) == len(made.entries("control")) == 4


def test_a_proposer_sees_scores_of_the_search_stage_and_never_test_scores(tmp_path):
    made = loop(tmp_path)
    made.run()
    told = {c.id: c for c in made.history("search", 4).candidates}
    entry = made.entries("search")[0]
    assert told["delta"].stage == told[entry.id].stage == "quick"
    rows = made.ledger.scores(1)
    mine = rows[(rows["rule"] == entry.id) & (rows["stage"] == "quick")].set_index("task")
    for task in TASKS:
        assert told[entry.id].scores[task].mean == mine.loc[task, "accuracy"]
        assert told[entry.id].scores[task].seeds == 1
        assert told["delta"].scores[task].seeds == 1  # of its five, those the search uses


def test_a_later_session_builds_on_an_earlier_one(tmp_path):
    made = loop(tmp_path)
    made.run()
    ledger = made.ledger
    later = ledger.begin(replace(QUICK, seed=1))
    again = replace(made, session=later, examiner=replace(made.examiner, session=later))
    again.run()
    # Family proposes the same rules again: all are known by now
    assert {e.reason.split(":")[0] for e in again.entries("search")} == {"novel"}
    seen = [c for c in again.history("search", 4).candidates if c.proposal is not None]
    assert sum(bool(c.scores) for c in seen) == 4


def test_a_later_session_takes_rules_of_an_earlier_one_as_parents(tmp_path):
    made = loop(tmp_path)
    made.run()
    old = made.entries("search")[3]
    later = made.ledger.begin(replace(QUICK, budget=Budget(2)))
    again = replace(
        made,
        session=later,
        examiner=replace(made.examiner, session=later),
        proposers={"search": Family([0.8, 0.5])},
        choose=lambda known, seed, number: [c for c in known if c.id == old.id],
    )
    again.run()
    worse = again.entries("search")[1]
    assert {e.parent for e in again.entries("search")} == {old.id}
    assert worse.outcome == "promoted"
    step = float(worse.reason.split("; ")[1].split()[0])
    assert step == pytest.approx((0.87 - 0.5) * 4 / 6, abs=0.003)
    assert old.id in set(made.ledger.scores(later.id, "test")["rule"])  # the parent, on fresh seeds


class Unscored(Family):
    """Proposes without looking at scores."""

    reads_scores = False


def test_what_needs_no_scores_is_gated_before_anything_is_trained(tmp_path):
    class NeverLab(FakeLab):
        def measure(self, *given):
            raise AssertionError("trained")

    def gate(proposal, known):
        return Gated((Verdict("traces", False, "looks ahead"),))

    settings = replace(QUICK, budget=Budget(1))
    made = loop(tmp_path, settings, {"search": Unscored()}, gate=gate, lab=NeverLab)
    made.run()
    (entry,) = made.entries("search")
    assert (entry.outcome, entry.reason) == ("refused", "traces: looks ahead")
    overview = Overview.load(made.ledger, made.ledger.sessions()[0])
    assert "Of 1 proposal: 1 refused." in summary(overview)
    passing = loop(tmp_path / "passing", settings, {"search": Unscored()})
    passing.run()
    (entry,) = passing.entries("search")
    assert (entry.outcome, entry.parent) == ("promoted", "delta")


def test_settings_come_back_as_they_were(tmp_path):
    settings = replace(QUICK, options={"model": "m"}, budget=Budget(3, hours=0.5))
    with open_store(tmp_path) as store:
        Ledger(store).begin(settings)
        assert Ledger(store).sessions()[0].settings == settings
    assert json.dumps(settings.to_json())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 0}, "at least one candidate"),
        ({"hours": -1}, "--hours -1: it must be above zero"),
        ({"hours": math.nan}, "--hours nan: it must be above zero"),
    ],
)
def test_bad_budgets(change, message):
    with pytest.raises(ArcherError, match=message):
        Budget(**{"candidates": change.pop("budget", 1), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "huge"}, "unknown preset 'huge'"),
        ({"proposer": "oracle"}, "unknown proposer"),
        ({"seeds": 0}, "at least one seed"),
        ({"claim_seeds": 2}, "three seeds at least"),
        ({"batch": 0}, "from 1 to"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(ArcherError, match=message):
        replace(QUICK, **change)


@pytest.mark.parametrize(("preset", "places"), [("quick", "cpu fp32"), ("smoke", "cuda bf16")])
def test_what_only_weeds_is_trained_on_the_processor(tmp_path, monkeypatch, preset, places):
    """Compiling a GPU's kernels for it would take many times as long as the training."""
    asked = []

    def train(plan, store, device, *rest):
        asked.append(f"{device} {plan.rows[0].trial.regime.precision}")
        return {}

    monkeypatch.setattr("archer.research.lab.train_missing", train)
    with open_store(tmp_path) as store:
        settings = Settings(Budget(1), preset=preset, device="cuda", precision="bf16")
        lab = lab_of(Ledger(store), settings)
        for stage in ("smoke", "quick"):
            lab.measure([builtin("delta")], stage, 1)
    assert asked == [places, "cuda bf16"]

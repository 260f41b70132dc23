"""Of what a difference is said to be the largest: of a rule's tasks, or of the rules on a task."""

import pandas as pd
import pytest

from archer.report.claims import verify

COLUMNS = [
    *("Compress", "Context Recall", "Fuzzy Recall", "Memorize", "Noisy Recall"),
    *("Selective Copy", "Average"),
]
# Against delta, momentum: +.05 -.05 +.05 0 -.10 -.05; gated_delta: -.10 +.05 +.10 +.05 +.05 +.04
TABLE = pd.DataFrame(
    [
        ["delta", 0.400, 0.900, 0.200, 0.350, 0.800, 0.950, 0.600],
        ["momentum", 0.450, 0.850, 0.250, 0.350, 0.700, 0.900, 0.583],
        ["gated_delta", 0.300, 0.950, 0.300, 0.400, 0.850, 0.990, 0.632],
    ],
    columns=["rule", *COLUMNS],
)


def said(text):
    """Verdicts on the superlatives of a text: those that are no figure's."""
    return [v.status for v in verify(text, TABLE) if not isinstance(v.stated, float)]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Momentum loses most on Noisy Recall.", "confirmed"),  # by either reading
        ("Momentum loses most on Context Recall.", "unchecked"),  # of the rules, not of its tasks
        ("Gated_delta loses most on Noisy Recall.", "refuted"),
        ("Momentum gains most on Noisy Recall.", "refuted"),
        ("Gated_delta gains the most on Fuzzy Recall.", "confirmed"),
        ("Gated_delta gains the most on Noisy Recall.", "unchecked"),
        ("Momentum hurts Context Recall most.", "unchecked"),
        ("Momentum hurts Noisy Recall most.", "confirmed"),
        ("Momentum shows the largest loss on Context Recall.", "unchecked"),
        ("Noisy Recall suffers most from momentum.", "confirmed"),
        ("Context Recall suffers most from momentum.", "unchecked"),
        ("Momentum trails. It loses most on Context Recall.", "unchecked"),
        ("Momentum loses most of its lead on Context Recall.", "unchecked"),
        ("Momentum and gated_delta gain most on Fuzzy Recall.", "unchecked"),
    ],
)
def test_without_context_both_readings_must_hold(text, status):
    assert said(text)[-1] == status


@pytest.mark.parametrize(
    "verb",
    ["drops", "falls", "declines", "lost", "suffers", "degrades", "regressed", "is hurt"],
)
def test_every_verb_of_loss_is_read(verb):
    assert said(f"Momentum {verb} most on Context Recall.") == ["unchecked"]
    assert said(f"Momentum {verb} most on Noisy Recall.") == ["confirmed"]
    assert said(f"Momentum {verb} most on Fuzzy Recall.") == ["refuted"]


@pytest.mark.parametrize("verb", ["improves", "gained", "rises", "benefits", "climbs", "increases"])
def test_every_verb_of_gain_is_read(verb):
    assert said(f"Gated_delta {verb} the most on Noisy Recall.") == ["unchecked"]
    assert said(f"Gated_delta {verb} the most on Fuzzy Recall.") == ["confirmed"]
    assert said(f"Gated_delta {verb} the most on Compress.") == ["refuted"]


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("Momentum loses most on Context Recall (-0.05).", ["refuted"]),
        ("Momentum loses most on Noisy Recall (-0.10).", ["confirmed"]),
        ("Gated_delta gains most on Fuzzy Recall (+10 pp).", ["confirmed"]),
        ("Momentum loses most on Context Recall of all tasks.", ["refuted"]),
        ("Of its six tasks, momentum loses most on Context Recall.", ["refuted"]),
        ("Of its six tasks, momentum loses most on Noisy Recall.", ["confirmed"]),
        ("Context Recall is where momentum loses most.", ["refuted"]),
        ("Noisy Recall is where momentum loses most.", ["confirmed"]),
        ("Momentum has its largest loss on Context Recall.", ["refuted"]),
        (
            "Momentum gains most on Fuzzy Recall and loses most on Context Recall.",
            ["confirmed", "refuted"],
        ),
        (
            "Momentum gains most on Fuzzy Recall (+0.05) and loses most on Noisy Recall (-0.10).",
            ["confirmed", "confirmed"],
        ),
    ],
)
def test_the_tasks_of_a_rule(text, statuses):
    assert said(text) == statuses


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Of all rules, momentum loses most on Context Recall.", "confirmed"),
        ("Of all rules, gated_delta loses most on Context Recall.", "refuted"),
        ("Momentum loses most of all rules on Context Recall.", "confirmed"),
        ("On Context Recall, momentum loses most.", "confirmed"),
        ("On Fuzzy Recall, momentum gains most (+0.05).", "refuted"),
        ("Momentum is the rule that loses most on Context Recall.", "confirmed"),
        ("Of all rules, gated_delta gains most on Noisy Recall (+0.05).", "confirmed"),
    ],
)
def test_the_rules_on_a_task(text, status):
    assert said(text) == [status]


def test_two_rules_in_two_halves_leave_both_readings_open():
    text = "Gated_delta gains most on Fuzzy Recall, and momentum loses most on Context Recall."
    assert said(text) == ["confirmed", "unchecked"]


def test_a_true_figure_does_not_speak_for_the_superlative():
    found = verify("Momentum loses the most on Context Recall, 0.05 below delta.", TABLE)
    assert [v.status for v in found] == ["confirmed", "unchecked"]
    assert "Noisy Recall" in found[1].note
    found = verify("Momentum's only loss is on Noisy Recall (-0.10).", TABLE)
    assert [v.status for v in found] == ["confirmed", "unchecked"]


def test_who_is_said_to_lose_most_loses():
    """On Memorize momentum's change is below gated_delta's, and still no loss."""
    assert said("Of all rules, momentum loses most on Memorize.") == ["refuted"]
    assert said("Of all rules, momentum loses least on Noisy Recall.") == ["unchecked"]


def test_the_smallest_loss_may_be_one_of_the_losses():
    assert said("Momentum loses least on Context Recall (-0.05).") == ["confirmed"]
    assert said("Momentum loses least on Noisy Recall (-0.10).") == ["refuted"]


def test_of_two_rules_only_the_tasks_can_be_ranked():
    two = TABLE[TABLE["rule"] != "gated_delta"]
    for task, status in (("Noisy Recall", "confirmed"), ("Context Recall", "refuted")):
        assert [v.status for v in verify(f"Momentum loses most on {task}.", two)] == [status]

"""What a refutation rests on: the quantities a figure may be, lists, known words, parts."""

from pathlib import Path

import pandas as pd
import pytest

from archer.report.claims import verify
from archer.report.claims.clause import Clause, Context
from archer.report.claims.figures import Figure
from archer.report.claims.quantities import is_one, is_plain
from archer.report.claims.skeleton import Reader
from archer.report.claims.table import ScoreTable
from archer.report.claims.understood import readable

DATA = Path(__file__).parent / "data"


def table(name):
    return pd.read_csv(DATA / f"{name}.csv")


def refuted(text, name):
    return [(v.stated, v.actual) for v in verify(text, table(name)) if v.status == "refuted"]


@pytest.mark.parametrize(
    ("figure", "models", "tasks", "expected"),
    [
        (Figure(0.122, 3), ["whisper_small"], ["Clean", "Noisy"], True),  # between two tasks
        (Figure(97, 0, "%"), ["conformer_s", "squeezeformer"], ["Other"], True),  # what is kept
        (Figure(98, 0, "%"), ["conformer_s", "squeezeformer"], ["Other"], False),
        (Figure(1.16, 2, "x"), ["whisper_small", "conformer_s"], ["Noisy"], True),
        (Figure(0.055, 3), ["conformer_m"], ["Noisy"], False),
        (Figure(0.068, 3), ["conformer_m"], ["Noisy"], True),  # to the best
        (Figure(0.025, 3), ["whisper_small", "conformer_l"], ["Noisy", "Clean"], True),  # of gaps
        (Figure(0.036, 3), ["whisper_small", "conformer_l"], ["Noisy", "Clean"], False),
    ],
)
def test_what_a_figure_may_be(figure, models, tasks, expected):
    scores = ScoreTable(table("speech"))
    assert is_one(figure, scores, models, tasks, None) == expected
    assert not is_plain(figure, scores, models, tasks, None)


def test_one_row_explains_little_but_breaks_nothing():
    alone = ScoreTable(pd.DataFrame({"model": ["alpha"], "T": [0.5]}))
    assert is_one(Figure(0.5, 3), alone, ["alpha"], ["T"], None)
    assert not is_one(Figure(0.123, 3), alone, ["alpha"], ["T"], None)


def test_a_list_shows_how_it_is_read():
    line = "xyz: {} / 0.987 / 0.263 / 0.502 / 0.983 / 0.961 for deep_memory frobnicated"
    assert refuted(line.format("0.470"), "titans") == [(0.47, 0.441)]
    assert not refuted(line.format("0.441"), "titans")
    other_order = "deep_memory: 0.263 / 0.987 / 0.441 / 0.983 / 0.502 / 0.961 in another order"
    assert not refuted(other_order, "titans")


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("Muon beats Adam on Fuzzy Recall.", True),
        ("The mighty Muon, of all candidates, beats Adam on Fuzzy Recall.", True),
        ("Muon nearly beats Adam on Fuzzy Recall.", False),
        ("Muon, as frobnicated, beats Adam on Fuzzy Recall.", False),  # perhaps a verb
        ("Muon beats Adam at short range.", False),  # a limit that the table does not know
        ("Rules that keep a second moment beat Adam on Fuzzy Recall.", False),
        ("Among recurrent learners Muon beats Adam on Fuzzy Recall.", False),
    ],
)
def test_a_few_unknown_words_do_no_harm_unless_they_limit_the_statement(text, may):
    scores = ScoreTable(table("optimizers"))
    skeleton = Reader(scores).read(text)
    assert readable(Clause(skeleton.text, skeleton, scores, Context())) is may


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("It is on Memorize that the forget gate does harm.", "titans"),  # the part, not the row
        ("Deep memory's weakest improvement is on Context Recall, 0.006.", "titans"),
        ("AdaGrad does improve Memorize, just less than Adam.", "optimizers"),
        ("Muon's worst task is Fuzzy Recall, its best Context Recall.", "optimizers"),
        ("The Memorize gain of Adam is twice that of AdaGrad (0.109 vs 0.056).", "optimizers"),
        ("delta's Memorize, 0.409, is hardly better than Hebb's 0.402.", "hebbian"),
        ("Gating leaves the two recall tasks untouched (changes below 0.001).", "delta_family"),
    ],
)
def test_true_statements_once_called_false(text, name):
    assert not refuted(text, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The model without forget gate is best on Noisy Recall.", "titans"),
        ("Titans: 0.431 on Memorize.", "titans"),  # though 0.431 is another row's
        ("Compress remains the hardest column for all five variants.", "titans"),
        ("Squeezeformer edges out conformer_m on all four sets.", "speech"),
        ("Whisper, of all things, frobnicates Noisy at 0.999 there.", "speech"),
    ],
)
def test_false_statements_in_new_words(text, name):
    assert refuted(text, name)


def test_hardest_is_read_only_when_it_is_the_whole_clause():
    assert not refuted("Compress remains the hardest column once recall is left out.", "titans")
    assert not refuted("Fuzzy Recall is the hardest task for all models.", "titans")

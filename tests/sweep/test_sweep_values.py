"""What `--set` says, the grid it makes, and mistakes in it."""

import numpy as np
import pytest

from archer.errors import ArcherError
from archer.rules.load import builtin_graph
from archer.rules.peer import parse_peer
from archer.sweeps.plan import plan_sweep
from archer.sweeps.points import axes, grid, reference
from archer.sweeps.values import read_swept


def read(*texts, rule="adam", **more):
    return read_swept(builtin_graph(rule), texts, **more)


def test_a_list_keeps_its_order_and_names_each_value_once():
    (mu,) = read("momentum.mu=0.9, 0.7,0.9,learned", rule="momentum")
    assert (mu.name, mu.default, mu.values) == ("momentum.mu", 0.9, (0.9, 0.7, "learned"))


def test_a_range_is_evenly_spaced_with_the_numbers_one_would_write():
    (lr,) = read("adam.lr=0.5:1.5:5")
    assert lr.values == (0.5, 0.75, 1.0, 1.25, 1.5)
    (tenths,) = read("adam.lr=0.1:0.7:7")
    assert tenths.values == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # linspace has 0.30000000000000004


def test_a_range_of_a_log_knob_has_even_ratios():
    (eps,) = read("adam.eps=1e-8:1e-2:4")
    assert eps.values == (1e-8, 1e-6, 1e-4, 1e-2)


def test_several_make_a_grid_the_first_varying_slowest():
    swept = read("adam.lr=0.5,1", "adam.mu1=0.8,learned", chunk_sizes=(4, 8))
    points = grid(swept)
    assert [point.label for point in points] == [
        f"lr={lr}, mu1={mu}, chunk_size={c}"
        for lr in ("0.5", "1")
        for mu in ("0.8", "learned")
        for c in (4, 8)
    ]
    assert points[2].knobs.values == {"adam.lr": 0.5}
    assert points[2].knobs.learn == ("adam.mu1",)
    assert points[2].chunk_size == 4
    assert reference(swept).label == "lr=1, mu1=0.9, chunk_size=32"


def test_learn_trains_from_the_values_given_or_else_from_the_default():
    swept = read("adam.lr=0.5,1", learn=("adam.lr", "adam.mu1"))
    points = grid(swept, ("adam.lr", "adam.mu1"))
    assert [p.label for p in points] == [
        "lr=learned from 0.5, mu1=learned",
        "lr=learned from 1, mu1=learned",
    ]
    assert points[0].knobs.values == {"adam.lr": 0.5}
    assert sorted(points[0].knobs.learn) == ["adam.lr", "adam.mu1"]
    assert reference(swept).knobs.learn == ()


def test_one_at_a_time_every_other_name_is_at_its_default():
    swept = read("adam.lr=0.5,1", "adam.mu1=0.8,learned", chunk_sizes=(8, 32))
    points = axes(swept)
    assert [point.label for point in points] == [
        *("lr=0.5", "no change", "mu1=0.8", "mu1=learned", "chunk_size=8"),
    ]
    assert points[1] == reference(swept, one_at_a_time=True)
    assert points[0].knobs.values == {"adam.lr": 0.5, "adam.mu1": 0.9}
    assert points[3].knobs.learn == ("adam.mu1",)
    assert [point.chunk_size for point in points] == [32, 32, 32, 32, 8]
    assert [point.label for point in axes(swept[:1])] == ["lr=0.5", "lr=1"]


def test_the_size_of_a_head_may_be_a_value():
    (scale,) = read("softmax_attention.scale=1,sqrt(d_k), d_k", rule="softmax_attention")
    assert scale.values == (1.0, 11.3137, 128.0)
    scale = read("softmax_attention.scale=d_k", rule="softmax_attention", head_size=16)[0]
    assert scale.values == (16.0,)


def test_an_interval_is_for_a_search():
    (lr,) = read("adam.lr=0.5:1.5", search=True)
    assert (lr.values, lr.low, lr.high, lr.log) == ((), 0.5, 1.5, False)
    (eps,) = read("adam.eps=1e-8:1e-2", search=True)
    assert eps.log


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("adam.lr=0.5,2.5", r"adam.lr=2.5 is out of bounds: use a value in \[0, 2\]"),
        ("adam.lr=nan", "out of bounds"),
        ("adam.lr=0.5:9:3", "adam.lr=9 is out of bounds"),
        ("adam.nu=1", "no such knob; adam has adam.lr"),
        ("lr=1", "a knob is written rule.knob"),
        ("adam.lr", "write RULE.KNOB=VALUES"),
        ("adam.lr=", "write RULE.KNOB=VALUES"),
        ("adam.lr=1,,2", "'' is not a number"),
        ("adam.lr=1,many", "'many' is not a number"),
        ("adam.lr=1.5:0.5:3", "an empty range"),
        ("adam.lr=1:1:3", "an empty range"),
        ("adam.lr=0.5:1.5:1", "a range has 2 or more"),
        ("adam.lr=0.5:1.5:2.5", "a range has 2 or more"),
        ("adam.lr=0.5:1.5", "write a range as low:high:n"),
        ("adam.bias_correction=learned", "cannot be learned from its bound 0"),
    ],
)
def test_a_mistake_costs_one_clear_line(text, said):
    with pytest.raises(ArcherError, match=said) as refused:
        read(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["adam.mu1=0.5,0.50000000000001", "adam.mu1=0.9000000000000001,0.5"]
)
def test_values_that_tables_show_alike_are_refused(text):
    """Points go by what is shown: one of them would be lost."""
    with pytest.raises(ArcherError, match="alike in the twelve digits that tables show"):
        read(text)


def test_minus_zero_is_zero():
    (swept,) = read("adam.bias_correction=-0,1,0")
    assert [repr(value) for value in swept.values] == ["0.0", "1.0"]


def test_no_heads_cost_one_clear_line():
    with pytest.raises(ArcherError, match="heads is 0; it must be at least 1"):
        plan_sweep("momentum", set=["momentum.mu=0.5"], preset="smoke", heads=0)


def test_mistakes_between_options():
    with pytest.raises(ArcherError, match=r"adam\.lr is given twice"):
        read("adam.lr=1", "adam.lr=0.5")
    with pytest.raises(ArcherError, match="nothing to sweep"):
        read()
    with pytest.raises(ArcherError, match="--chunk-size 0"):
        read(chunk_sizes=(0,))
    with pytest.raises(ArcherError, match="cannot be learned from its bound 0"):
        read("adam.lr=0,1", learn=("adam.lr",))
    with pytest.raises(ArcherError, match="attention has no knobs"):
        read_swept(parse_peer("attention"), ["attention.mu=1"])


def test_a_large_grid_must_be_meant():
    swept = read("adam.lr=0.5:1.5:21", "adam.mu1=0.5:0.9:10")
    with pytest.raises(ArcherError, match="a grid of 210 points, more than 200: give --yes"):
        grid(swept, most=200)
    points = grid(swept)
    assert len({point.label for point in points}) == 210
    assert np.isclose(dict(points[-1].values)["adam.lr"], 1.5)

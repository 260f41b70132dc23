"""`archer.run_rule` on tensors, and rules given as classes."""

import linecache
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import archer
from archer.benchmark import plan_bench
from archer.errors import ArcherError
from archer.memory.chunkwise import chunkwise
from archer.memory.dispatch import memory
from archer.memory.normalise import unit
from archer.memory.recurrent import recurrent
from archer.model import ModelConfig, build
from archer.rules.load import builtin_graph
from archer.rules.trace import trace

BATCH, LENGTH, HEADS, D_K, D_V = 2, 71, 3, 8, 6


class Mine(archer.Rule):
    mu = archer.Knob(0.5, low=0.0, high=1.0)
    eta = archer.Signal("sigmoid")
    slots = ("m",)

    def write(self, S, dS, slots, p):
        m = p.mu * slots.m + dS
        return S + m, {"m": m}

    def gate(self, U, p):
        return U * p.eta[:, None]


@pytest.fixture(scope="module")
def tokens() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)

    def drawn(*size: int) -> Tensor:
        return torch.randn(BATCH, LENGTH, HEADS, *size, generator=random, dtype=torch.float64)

    return {"q": drawn(D_K), "k": drawn(D_K), "v": drawn(D_V), "beta": drawn().sigmoid()}


def test_delta_is_the_token_loop_and_has_its_gradients(tokens) -> None:
    leaves = {name: x.clone().requires_grad_() for name, x in tokens.items()}
    q, k, v, beta = leaves.values()
    output, none = archer.run_rule("delta", **leaves)
    wanted, _ = recurrent(unit(q), unit(k), v, beta)
    assert none is None
    torch.testing.assert_close(output, wanted, rtol=0, atol=1e-12)
    found = torch.autograd.grad(output.square().sum(), leaves.values())
    expected = torch.autograd.grad(wanted.square().sum(), leaves.values())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("normalise", [True, False])
def test_scale_takes_the_place_of_the_usual_one(tokens, normalise) -> None:
    q, k = (unit(tokens[name]) for name in ("q", "k"))
    given = {**tokens, "normalise": normalise} | ({} if normalise else {"q": q, "k": k})
    plain, _ = archer.run_rule("softmax_attention", **given)
    same, _ = archer.run_rule("softmax_attention", **given, scale=D_K**-0.5)
    torch.testing.assert_close(same, plain, rtol=0, atol=1e-12)
    scaled = 0.7 * D_K**0.5 * q
    wanted, _ = chunkwise(
        builtin_graph("softmax_attention"), scaled, k, tokens["v"], tokens["beta"]
    )
    found, _ = archer.run_rule("softmax_attention", **given, scale=0.7)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    assert not torch.allclose(found, plain, atol=1e-3)


def test_a_class_a_file_and_a_graph_are_one_rule(tokens, tmp_path: Path) -> None:
    signals = {"eta": torch.full((BATCH, LENGTH, HEADS), 0.25, dtype=torch.float64)}
    knobs = {"mu": torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)}
    path = tmp_path / "mine.py"
    text = "import archer\n\n\nclass Mine(archer.Rule):\n    chunk_size = 32\n"
    path.write_text(text + "    def write(self, S, dS, slots, p):\n        return 0.5 * S + dS\n")
    of_class, _ = archer.run_rule(Mine, **tokens, signals=signals, knobs=knobs, chunk_size=16)
    of_graph = memory(trace(Mine), **tokens, signals=signals, knobs=knobs, chunk_size=16)
    assert torch.equal(of_class, of_graph)
    first, _ = archer.run_rule(path, **tokens)
    path.write_text(text + "    def write(self, S, dS, slots, p):\n        return 0.7 * S + dS\n")
    os.utime(path, (1, 1))
    second, _ = archer.run_rule(str(path), **tokens)
    for output, lam in ((first, 0.5), (second, 0.7)):
        assert torch.equal(output, archer.run_rule("decay", **tokens, knobs={"lam": lam})[0])


def test_a_sequence_in_two_calls(tokens) -> None:
    signals = {"eta": tokens["beta"]}
    whole, state = archer.run_rule(Mine, **tokens, signals=signals, output_final_state=True)
    parts: list[Tensor] = []
    held: Any = None
    for part in (slice(0, 64), slice(64, None)):
        piece = {name: x[:, part] for name, x in tokens.items()}
        output, held = archer.run_rule(
            Mine,
            **piece,
            signals={"eta": piece["beta"]},
            initial_state=held,
            output_final_state=True,
        )
        parts.append(output)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(held.slots["m"], state.slots["m"], rtol=0, atol=1e-12)
    with pytest.raises(ArcherError, match="initial_state is of another call: its S is"):
        archer.run_rule("delta", **tokens, initial_state=held)


WRONG = {
    "an unknown knob": ({"knobs": {"mux": 0.2}}, "rule decay has no knob 'mux'; it has: lam"),
    "a knob per token": (
        {"knobs": {"lam": torch.zeros(BATCH, LENGTH, HEADS)}},
        r"broadcasts to \[batch, heads\], \[2, 3\] here",
    ),
    "no chunk": ({"chunk_size": 0}, "chunk_size=0: at least one token makes a chunk"),
    "beta of four axes": (
        {"beta": torch.zeros(BATCH, LENGTH, HEADS, 1)},
        r"beta is \[2, 71, 3, 1\]: give one number per token and head",
    ),
    "fewer heads in q": ({"q": torch.zeros(BATCH, LENGTH, 2, D_K)}, "give both one shape"),
    "heads before length": (
        {"v": torch.zeros(BATCH, HEADS, LENGTH, D_V)},
        "batch, length and heads must be the same",
    ),
    "one sequence": ({"q": torch.zeros(LENGTH, HEADS, D_K)}, r"give \[batch, length, heads, dim\]"),
    "a decay": ({"g": torch.zeros(BATCH, LENGTH, HEADS)}, "has no log_decay signal"),
    "no decay": ({"rule": "gated_delta"}, "rule gated_delta decays: give the log-decay g"),
    "no signal": ({"rule": Mine}, "rule mine needs the signals eta"),
    "an array": ({"q": np.zeros((BATCH, LENGTH, HEADS, D_K))}, "q is a ndarray: give a tensor"),
    "an unknown signal": ({"signals": {"x": torch.zeros(1)}}, "has no signal 'x'; it has: none"),
    "a wrong name": ({"rule": "decays"}, "unknown rule 'decays': did you mean decay"),
    "an instance": ({"rule": Mine()}, "an instance of Mine is no rule: give a name, the path"),
    "a number": ({"rule": 3}, "3 is no rule"),
    "a state of another kind": ({"initial_state": torch.zeros(1)}, "output_final_state=True"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_named(name, tokens) -> None:
    wrong, message = WRONG[name]
    arguments: dict[str, Any] = {"rule": "decay", **tokens, **wrong}
    with pytest.raises(ArcherError, match=message) as caught:
        archer.run_rule(**arguments)
    assert "\n" not in str(caught.value)


CELL = """
import archer
class Cell(archer.Rule):
    mu = archer.Knob(0.5, low=0.0, high=1.0)
    def write(self, S, dS, slots, p):
        return S + p.mux * dS
"""


@pytest.mark.parametrize("has_source", [True, False])
def test_a_class_of_a_cell_or_of_no_file_is_a_rule(has_source, monkeypatch) -> None:
    place = "<cell 7>"
    if has_source:  # as a notebook does; `python -c` does not
        entry = (len(CELL), None, CELL.splitlines(keepends=True), place)
        monkeypatch.setitem(linecache.cache, place, entry)
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(CELL, place, "exec"), space)
    with pytest.raises(ArcherError, match=r"^<cell 7>:6: write: p\.mux is not declared"):
        plan_bench([space["Cell"]], preset="smoke")
    exec(compile(CELL.replace("mux", "mu"), place, "exec"), space)
    plan = plan_bench(space["Cell"], preset="smoke", tasks=["memorization"])
    assert [rule.name for rule in plan.rules] == ["cell"]
    assert plan.rules[0].knobs[0].name == "mu"


def test_a_model_and_its_draws_can_be_pickled() -> None:
    config = ModelConfig(vocab_size=5, length=8, dim=8)
    model = build(builtin_graph("gated_delta"), config, ["seed=3"])
    copy = pickle.loads(pickle.dumps(model))
    ids = torch.arange(8).remainder(5)[None, None]
    assert torch.equal(copy(ids), model(ids))
    assert pickle.loads(pickle.dumps(copy.embed.draws)).keys() == {"weight"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": "3"}, "seeds='3': give a whole number"),
        ({"seeds": True}, "seeds=True: give a whole number"),
        ({"knobs": {"decay.lam": "0.5"}}, "decay.lam='0.5': a knob's value is a number"),
    ],
)
def test_numbers_that_are_none(wrong, message) -> None:
    with pytest.raises(ArcherError, match=message):
        plan_bench(["decay"], preset="smoke", **wrong)
    assert plan_bench(["decay"], preset="smoke", seeds=np.int64(1), tasks=["memorization"]).rows


def test_what_a_person_sees_in_a_session() -> None:
    results = archer.bench(["delta"], preset="smoke", tasks=["memorization"], progress=False)
    assert repr(results) == ("Results(delta; preset smoke, protocol strict, table 1 x 1, 1 trials)")
    assert results._repr_html_().startswith("<table")
    assert f"{results.table.iloc[0, 0]:.3f}" in results._repr_html_()
    assert {"bench", "run_rule", "Rule", "__version__"} <= set(dir(archer))
    assert not {"Any", "importlib", "TYPE_CHECKING"} & set(dir(archer))

"""The chunkwise engine against the token-by-token oracle, and what holds for every rule."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from archer.errors import ArcherError
from archer.memory.chunkwise import proceed
from archer.memory.recurrent import recurrent
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph, load_graph

Make = Callable[..., Any]
EXACT = {"rtol": 0.0, "atol": 1e-9}

ALL_RULES = [*BUILTIN, "everything"]
# neither a `local` of their own nor a decay between tokens
DELTA_ON_ONE_CHUNK = ["decay", "error_gated", "momentum", "adam"]


@pytest.fixture(params=ALL_RULES)
def rule(request: pytest.FixtureRequest, everything: RuleGraph) -> RuleGraph:
    """Every built-in rule at a chunk size of 8, and one that uses everything."""
    if request.param == "everything":
        return everything
    return builtin_graph(request.param).with_chunk_size(8)


def _gradients(output: Tensor, state: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients of fixed random sums of the output and the final state."""
    generator = torch.Generator().manual_seed(7)
    total: Any = 0.0
    for result in (output, state):
        weights = torch.randn(result.shape, generator=generator, dtype=torch.float64)
        total = total + (weights.to(result.dtype) * result).sum()
    return dict(zip(inputs, torch.autograd.grad(total, list(inputs.values())), strict=True))


def _oracle(data: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    data = data.leaves()
    output, state = recurrent(data.q, data.k, data.v, data.beta, data.g)
    return output, state, _gradients(output, state, data.tensors())


def _engine(rule: RuleGraph, data: Any, C: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    data = data.leaves()
    output, state = data.run(rule, chunk_size=C, output_final_state=True)
    return output, state, _gradients(output, state, data.tensors())


@pytest.mark.parametrize("length", [1, 7, 63, 127, 1000])
@pytest.mark.parametrize("name", ["delta", "gated_delta"])
def test_equals_the_oracle_at_every_chunk_size(name: str, length: int, sequences: Make) -> None:
    rule = builtin_graph(name)
    sizes = {"batch": 1, "heads": 2} if length == 1000 else {}
    data = sequences(rule, length, **sizes)
    wanted = _oracle(data)
    for C in range(1, 65):
        torch.testing.assert_close(
            _engine(rule, data, C), wanted, **EXACT, msg=lambda text, C=C: f"chunk {C}: {text}"
        )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("beta", [0.5, 0.8, 0.99])
@pytest.mark.parametrize("name", ["delta", "gated_delta"])
def test_equal_keys(
    name: str, beta: float, dtype: torch.dtype, tolerance: float, sequences: Make
) -> None:
    rule = builtin_graph(name)
    data = sequences(rule, 127, d_k=16, d_v=8)
    data.k = data.k[:, :1].expand_as(data.k).contiguous()
    data.beta = torch.full_like(data.beta, beta)
    wanted = _oracle(data)
    for C in (1, 3, 16, 32, 64):
        found = _engine(rule, data.map(lambda x: x.to(dtype)), C)
        double = [
            found[0].double(),
            found[1].double(),
            {n: x.double() for n, x in found[2].items()},
        ]
        torch.testing.assert_close(double, list(wanted), rtol=tolerance, atol=tolerance)


def test_gated_delta_without_decay_is_delta(sequences: Make) -> None:
    delta, gated = builtin_graph("delta"), builtin_graph("gated_delta")
    data = sequences(delta, 100)
    wanted = data.run(delta, output_final_state=True)
    data.g = torch.zeros_like(data.beta)
    torch.testing.assert_close(data.run(gated, output_final_state=True), wanted, **EXACT)


def test_decay_that_forgets_everything_is_finite(sequences: Make) -> None:
    rule = builtin_graph("gated_delta")
    data = sequences(rule, 70)
    data.g = torch.full_like(data.g, -200.0)  # exp(G_i - G_j) above the diagonal would overflow
    torch.testing.assert_close(_engine(rule, data, 32), _oracle(data), **EXACT)


def test_initial_state(sequences: Make) -> None:
    for name in ("delta", "gated_delta"):
        rule = builtin_graph(name)
        data = sequences(rule, 45)
        state = torch.randn(2, 2, 4, 3, dtype=torch.float64)
        wanted = recurrent(data.q, data.k, data.v, data.beta, data.g, initial_state=state)
        found = data.run(rule, initial_state=state, output_final_state=True, chunk_size=16)
        torch.testing.assert_close(found, wanted, **EXACT)


def test_pieces_make_the_whole(rule: RuleGraph, sequences: Make) -> None:
    """With slots and steps carried along; adam with the correction that counts its steps."""
    corrected = {knob.name: 1.0 for knob in rule.knobs if knob.name == "bias_correction"}
    data = sequences(rule, 37)
    wanted = data.run(rule, knobs=corrected, output_final_state=True)
    outputs, state = [], None
    for start, end in ((0, 8), (8, 24), (24, 37)):
        piece = data.map(lambda x, at=slice(start, end): x[:, at])
        given = {"signals": piece.signals, "knobs": corrected, "state": state}
        own = (piece.q, piece.k, piece.v, piece.beta, piece.g)
        output, state = proceed(rule, *own, **given)
        outputs.append(output)
    assert state.chunks == 5
    assert set(state.slots) == set(rule.slots)
    torch.testing.assert_close((torch.cat(outputs, dim=1), state.S), wanted, **EXACT)


@pytest.mark.parametrize("length", [1, 5, 8, 23])
def test_changing_a_token_changes_nothing_before_it(
    rule: RuleGraph, length: int, sequences: Make
) -> None:
    data, other = sequences(rule, length), sequences(rule, length, seed=1)
    before, _ = data.run(rule)
    for t in range(length):
        replaced = iter(other.tensors().values())

        def change(x: Tensor, t: int = t, replaced: Any = replaced) -> Tensor:
            return torch.cat([x[:, :t], next(replaced)[:, t : t + 1], x[:, t + 1 :]], dim=1)

        after, _ = data.map(change).run(rule)
        assert torch.equal(after[:, :t], before[:, :t])
        assert not torch.equal(after[:, t], before[:, t])


def test_no_gradient_flows_back_from_a_later_token(rule: RuleGraph, sequences: Make) -> None:
    data = sequences(rule, 21).leaves()
    output, _ = data.run(rule)
    inputs = data.tensors()
    for t in (1, 7, 8, 12, 20):
        gradients = torch.autograd.grad(
            output[:, :t].square().sum(), list(inputs.values()), retain_graph=True
        )
        assert not any(gradient[:, t:].any() for gradient in gradients)
        assert any(gradient[:, t - 1].any() for gradient in gradients)


def test_a_prefix_does_not_depend_on_the_padding(rule: RuleGraph, sequences: Make) -> None:
    data = sequences(rule, 40)
    whole, _ = data.run(rule)
    for length in (1, 7, 8, 9, 31):
        prefix, _ = data.map(lambda x, n=length: x[:, :n]).run(rule)
        torch.testing.assert_close(prefix, whole[:, :length], rtol=0.0, atol=1e-13)


def test_batch_entries_and_heads_are_independent(rule: RuleGraph, sequences: Make) -> None:
    data, other = sequences(rule, 21, batch=3), sequences(rule, 21, batch=3, seed=1)
    wanted = data.run(rule, output_final_state=True)
    for place in ((1, slice(None), slice(None)), (slice(None), slice(None), 1)):
        replaced = iter(other.tensors().values())

        def keep(x: Tensor, place: Any = place, replaced: Any = replaced) -> Tensor:
            mixed = next(replaced).clone()
            mixed[place] = x[place]
            return mixed

        output, state = data.map(keep).run(rule, output_final_state=True)
        assert torch.equal(output[place], wanted[0][place])
        if place[0] == 1:
            assert torch.equal(state[1], wanted[1][1])
        else:
            assert torch.equal(state[:, 1], wanted[1][:, 1])


def test_alone_is_the_same_as_in_a_batch(rule: RuleGraph, sequences: Make) -> None:
    data = sequences(rule, 21)
    wanted, _ = data.run(rule)
    for n in range(2):
        for h in range(2):
            alone, _ = data.map(lambda x, n=n, h=h: x[n : n + 1, :, h : h + 1]).run(rule)
            torch.testing.assert_close(alone[0, :, 0], wanted[n, :, h], rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in BUILTIN if builtin_graph(name).knobs])
def test_knobs_per_batch_entry_and_head(name: str, sequences: Make) -> None:
    rule = builtin_graph(name).with_chunk_size(8)
    data = sequences(rule, 21)
    torch.manual_seed(0)
    knobs = {
        k.name: (k.default * (0.5 + 0.5 * torch.rand(2, 2, dtype=torch.float64))).requires_grad_()
        for k in rule.knobs
    }
    output, _ = data.run(rule, knobs=knobs)
    for n in range(2):
        for h in range(2):
            alone = data.map(lambda x, n=n, h=h: x[n : n + 1, :, h : h + 1])
            one = {name: value[n, h].item() for name, value in knobs.items()}
            found, _ = alone.run(rule, knobs=one)
            torch.testing.assert_close(found[0, :, 0], output[n, :, h], rtol=0.0, atol=1e-12)
    # and the gradient of each knob comes from its own sequence alone
    gradients = torch.autograd.grad(output[1, :, 0].square().sum(), list(knobs.values()))
    for gradient in gradients:
        assert gradient.nonzero().tolist() == [[1, 0]]


def test_knobs_broadcast(sequences: Make) -> None:
    rule = builtin_graph("momentum").with_chunk_size(8)
    data = sequences(rule, 21)
    per_head = torch.tensor([0.3, 0.7], dtype=torch.float64)
    wanted, _ = data.run(rule, knobs={"mu": per_head.expand(2, 2)})
    for knob in (per_head, per_head[None]):
        assert torch.equal(data.run(rule, knobs={"mu": knob})[0], wanted)
    per_entry, _ = data.run(rule, knobs={"mu": per_head[:, None]})
    assert torch.equal(per_entry[0, :, 0], wanted[0, :, 0])
    assert not torch.equal(per_entry[0, :, 1], wanted[0, :, 1])
    default, _ = data.run(rule)
    assert torch.equal(data.run(rule, knobs={"mu": 0.9})[0], default)


@pytest.mark.parametrize("name", DELTA_ON_ONE_CHUNK)
@pytest.mark.parametrize("length", [1, 20, 32])
def test_on_one_chunk_it_is_delta_bit_for_bit(name: str, length: int, sequences: Make) -> None:
    rule, delta = builtin_graph(name), builtin_graph("delta")
    data = sequences(rule, length, dtype=torch.float32).leaves()
    results = [data.run(r)[0] for r in (rule.effective(length), delta, rule)]
    gradients = [
        torch.autograd.grad(result.square().sum(), list(data.tensors().values()))
        for result in results
    ]
    for result, gradient in zip(results[1:], gradients[1:], strict=True):
        assert torch.equal(result, results[0])
        assert all(torch.equal(a, b) for a, b in zip(gradient, gradients[0], strict=True))


@pytest.mark.parametrize("name", DELTA_ON_ONE_CHUNK)
def test_on_more_chunks_it_is_not(name: str, sequences: Make) -> None:
    rule, delta = builtin_graph(name), builtin_graph("delta")
    data = sequences(rule, 66)
    output, wanted = data.run(rule)[0], data.run(delta)[0]
    # decay begins with lam * 0 + dS, so its second chunk still reads delta's memory
    same = 64 if name == "decay" else 32
    torch.testing.assert_close(output[:, :same], wanted[:, :same], **EXACT)
    assert (output[:, same:] - wanted[:, same:]).abs().max() > 1e-6


def test_gradcheck(rule: RuleGraph, sequences: Make) -> None:
    rule = rule.with_chunk_size(3)
    data = sequences(rule, 8, batch=1, heads=1, d_k=2, d_v=2)
    inputs = data.leaves().tensors()
    # eps near 0 makes adam's root too steep for finite differences
    knobs = {
        k.name: torch.tensor(0.1 if k.name == "eps" else k.default, dtype=torch.float64)
        for k in rule.knobs
    }
    leaves = inputs | {name: knob.requires_grad_() for name, knob in knobs.items()}

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(leaves, values, strict=True))
        filled = iter([given[name] for name in inputs])
        output, state = data.map(lambda _: next(filled)).run(
            rule, knobs={name: given[name] for name in knobs}, output_final_state=True
        )
        return output, state

    assert torch.autograd.gradcheck(run, tuple(leaves.values()))


def test_computes_in_fp32_and_answers_in_the_dtype_of_v(sequences: Make) -> None:
    rule = builtin_graph("momentum")
    data = sequences(rule, 40, dtype=torch.float32)
    low = data.map(lambda x: x.bfloat16())
    output, state = low.run(rule, output_final_state=True)
    assert output.dtype == torch.bfloat16
    assert state.dtype == torch.float32
    wanted, _ = low.map(lambda x: x.float()).run(rule)
    assert torch.equal(output, wanted.bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(data.run(rule)[0], data.run(rule)[0].float())
        inside, _ = data.run(rule)
    assert torch.equal(inside, data.run(rule)[0])


def test_bad_arguments(sequences: Make, everything: RuleGraph) -> None:
    delta, momentum = builtin_graph("delta"), builtin_graph("momentum")
    data = sequences(delta, 5)
    with pytest.raises(ArcherError, match="rule 'momentum' has no knob mo"):
        data.run(momentum, knobs={"mo": 0.5})
    with pytest.raises(ArcherError, match="rule 'everything' needs the signals eta, phi"):
        sequences(builtin_graph("gated_delta"), 5).run(everything)
    data.g = -data.beta
    with pytest.raises(ArcherError, match="rule 'delta' has no log_decay signal"):
        data.run(delta)


def test_what_local_puts_above_the_diagonal_is_never_read(sequences: Make, tmp_path: Path) -> None:
    rules = []
    for name, weights in (("plain", "x"), ("masked", "torch.where(causal_mask(scores), x, 0.0)")):
        path = tmp_path / f"{name}.py"
        path.write_text(
            "import torch\nfrom archer import Rule, causal_mask\n\n\nclass MyRule(Rule):\n"
            "    def local(self, scores, p):\n"
            f"        x = scores.exp()\n        return {weights}\n"
        )
        rules.append(load_graph(str(path)))
    data = sequences(rules[0], 40)
    plain, masked = (data.run(rule)[0] for rule in rules)
    assert torch.equal(plain, masked)
    assert not torch.equal(plain, data.run(builtin_graph("delta"))[0])

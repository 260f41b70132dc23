"""Generated kernels against the float64 engine, through Triton's interpreter (fp32).

The interpreter multiplies bf16 wrongly without saying so; bf16 is checked on a GPU by
benchmarks/kernels.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from archer import Knob, Rule, Signal
from archer.memory import fused as module
from archer.memory import kernels
from archer.memory.chunkwise import chunkwise
from archer.memory.fused import fused, unsupported
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph
from archer.rules.trace import trace

pytest.importorskip("triton")
if torch.cuda.is_available():
    pytest.skip("these run in Triton's interpreter", allow_module_level=True)


@dataclass
class Call:
    """Inputs of one comparison; sizes are small, the interpreter is slow."""

    rule: RuleGraph
    T: int = 37
    C: int = 16
    heads: int = 2
    d_k: int = 16
    d_v: int = 16
    equal_keys: bool = False
    inputs: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        torch.manual_seed(self.T + self.C)
        rows = (2, self.T, self.heads)
        self.inputs = {
            "q": torch.randn(*rows, self.d_k),
            "k": torch.randn(*rows, self.d_k),
            "v": torch.randn(*rows, self.d_v),
            "beta": torch.rand(rows),
        }
        if self.equal_keys:
            self.inputs["k"] = self.inputs["k"][:, :1].expand(*rows, self.d_k).contiguous()
            # up to 0.99; at a constant 0.99 the exact adjoint of g all but vanishes (its norm is
            # 0.02 beside 4 for v), and fp32 cannot give it to 1e-4: the engine itself is at 9e-5
            self.inputs["beta"] = torch.linspace(0.1, 0.99, self.T)[:, None].expand(rows).clone()
        if self.rule.decay:
            self.inputs["g"] = -torch.rand(rows)
        for knob in self.rule.knobs:
            # the first step of Adam is a sign: at eps = 1e-8 it has no derivative to compare
            value = 1e-2 if knob.name == "eps" else knob.default
            self.inputs[f"knob.{knob.name}"] = value * torch.linspace(
                0.8, 1.0, 2 * self.heads
            ).view(2, self.heads)
        for signal in self.rule.signals:
            if signal.name != self.rule.decay:
                self.inputs[f"signal.{signal.name}"] = torch.rand(rows)

    def run(self, engine: str, dtype: torch.dtype) -> dict[str, Tensor]:
        """Output and the gradient of every input, by name."""
        given = {n: x.to(dtype).requires_grad_() for n, x in self.inputs.items()}
        knobs = {n.removeprefix("knob."): x for n, x in given.items() if n.startswith("knob.")}
        signals = {
            n.removeprefix("signal."): x for n, x in given.items() if n.startswith("signal.")
        }
        q, k, v, beta = (given[name] for name in ("q", "k", "v", "beta"))
        rest = {"knobs": knobs, "signals": signals, "chunk_size": self.C}
        if engine == "fused":
            o = fused(self.rule, q, k, v, beta, given.get("g"), unit=True, **rest)
        else:
            o, _ = chunkwise(self.rule, unit(q), unit(k), v, beta, given.get("g"), **rest)
        torch.manual_seed(1)
        adjoint = torch.randn(o.shape).to(dtype)
        gradients = torch.autograd.grad(o, list(given.values()), adjoint, allow_unused=True)
        found = {
            n: torch.zeros_like(given[n]) if g is None else g
            for n, g in zip(given, gradients, strict=True)
        }
        return {"o": o.detach(), **found}


def unit(x: Tensor) -> Tensor:
    return x * (x.square().sum(-1, keepdim=True) + 1e-6).rsqrt()


def assert_equal_to_engine(call: Call, tolerance: float = 1e-5) -> None:
    """Relative error of output and every gradient, each by itself."""
    got, wanted = call.run("fused", torch.float32), call.run("chunkwise", torch.float64)
    for name, expected in wanted.items():
        error = (got[name].double() - expected).norm()
        assert error <= tolerance * expected.norm() + 1e-12, (
            f"{name}: {error / expected.norm():.1e}"
        )


@pytest.fixture(params=["two kernels", "four kernels"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Small heads as they are run, and as large heads are."""
    if request.param == "four kernels":
        monkeypatch.setattr(kernels, "ONE_WARP", 0)
    module.kernels_for.cache_clear()
    yield request.param
    module.kernels_for.cache_clear()


def test_small_heads_take_two_kernels(way: str) -> None:
    call = Call(builtin_graph("delta"))
    shape = module.launch_shape(call.rule, call.inputs["q"], call.inputs["v"], 16, True)
    names = kernels.Kernels(call.rule, shape, frozenset()).names
    assert len(names) == (2 if way == "two kernels" else 4)


# several heads where there is one token, and over two chunks; one over four: each costs as much
LENGTHS = [(1, 2, "two kernels"), (63, 1, "two kernels"), (23, 2, "four kernels")]


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize(("T", "heads", "way"), LENGTHS, indirect=["way"])
def test_every_rule_in_output_and_all_gradients(name: str, T: int, heads: int, way: str) -> None:
    assert_equal_to_engine(Call(builtin_graph(name), T=T, heads=heads))


@pytest.mark.parametrize("name", ["momentum", "gated_delta", "adam_softmax"])
@pytest.mark.parametrize(("C", "T"), [(1, 4), (5, 13), (32, 40), (64, 70)])
def test_chunk_sizes_small_ones_padded(name: str, C: int, T: int) -> None:
    assert_equal_to_engine(Call(builtin_graph(name), T=T, C=C, heads=1))


@pytest.mark.parametrize("name", ["delta", "error_gated", "gated_delta"])
@pytest.mark.parametrize(("d_k", "d_v", "heads"), [(24, 40, 3), (16, 64, 1), (64, 32, 2)])
def test_head_sizes_and_heads(name: str, d_k: int, d_v: int, heads: int) -> None:
    assert_equal_to_engine(Call(builtin_graph(name), T=20, d_k=d_k, d_v=d_v, heads=heads))


@pytest.mark.parametrize("name", ["delta", "gated_delta", "momentum"])
def test_equal_keys_and_beta_near_one(name: str, way: str) -> None:
    assert_equal_to_engine(Call(builtin_graph(name), T=64, C=32, heads=1, equal_keys=True), 1e-4)


class Everything(Rule):
    """A user's rule with every kind of part: signals, three hooks, a learned knob, a slot."""

    mu = Knob(0.5, low=0.0, high=1.0, learn=True)
    eta = Signal("sigmoid")
    slots = ("m",)

    def gate(self, U, p):
        return torch.tanh(p.eta[:, None] * U) * U.shape[-1] ** 0.5 / (1 + U.norm(dim=-1)[:, None])

    def local(self, scores, p):
        return scores * p.eta[:, None] + torch.tril(scores) @ torch.tril(scores).T

    def write(self, S, dS, slots, p):
        m = p.mu * slots.m + torch.clamp(dS, -1.0, 1.0) * p.eta.mean()
        return S + m / (1 + (m * m).mean(dim=0, keepdim=True)), {"m": m}


def test_a_users_own_rule_goes_through_the_same_generator(way: str) -> None:
    assert_equal_to_engine(Call(trace(Everything), T=23, C=8))


class Awkward(Rule):
    """Names of its own like those that the kernels use, or make of others."""

    slots = ("T", "bar_T", "S_bar")
    x = Knob(0.9, low=0.0, high=1.0)
    x_ptr = Knob(0.5, low=0.0, high=1.0)
    eta = Signal("sigmoid")
    eta_t = Signal("sigmoid")
    deta = Signal("sigmoid")

    def gate(self, U, p):
        return U * p.eta[:, None] * (1.0 + p.eta_t[:, None] * p.deta[:, None])

    def write(self, S, dS, slots, p):
        T = p.x * slots.T + dS
        bar_T = p.x_ptr * slots.bar_T + T
        S_bar = 0.5 * slots.S_bar + bar_T * S
        return S + T + bar_T + 0.1 * S_bar, {"T": T, "bar_T": bar_T, "S_bar": S_bar}


def test_a_rule_may_use_any_names(way: str) -> None:
    assert_equal_to_engine(Call(trace(Awkward)))


def test_reductions_over_values_keep_them_in_one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRAMS_TO_FILL", 10**6)
    wide = {"d_v": 64, "T": 20}
    for name, block in (("delta", 32), ("error_gated", 64)):
        call = Call(builtin_graph(name), **wide)
        shape = module.launch_shape(call.rule, call.inputs["q"], call.inputs["v"], 16, True)
        assert shape.block_v == block
        assert_equal_to_engine(call)


def test_beta_zero_still_has_a_gradient() -> None:
    call = Call(builtin_graph("delta"))
    call.inputs["beta"][:, ::3] = 0.0
    assert_equal_to_engine(call)


def test_every_element_of_the_output_is_written(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory made by `empty` is poisoned: nothing unwritten or unmasked may come through."""
    empty, empty_like = torch.empty, torch.empty_like

    def poisoned(make):
        def call(*args, **kwargs):
            made = make(*args, **kwargs)
            return made.fill_(float("nan")) if made.is_floating_point() else made

        return call

    monkeypatch.setattr(torch, "empty", poisoned(empty))
    monkeypatch.setattr(torch, "empty_like", poisoned(empty_like))
    for name in ("delta", "gated_delta", "adam"):
        assert_equal_to_engine(Call(builtin_graph(name), T=20, d_k=24))


def test_two_runs_are_the_same_to_the_bit() -> None:
    call = Call(builtin_graph("momentum"), T=20)
    first, second = (call.run("fused", torch.float32) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_is_out_of_reach_is_said() -> None:
    call = Call(builtin_graph("delta"))
    q, v = call.inputs["q"], call.inputs["v"]
    assert unsupported(call.rule, q, v, 32) is None
    assert "chunk size 128" in str(unsupported(call.rule, q, v, 128))
    assert "float64" in str(unsupported(call.rule, q.double(), v.double(), 32))
    assert "256" in str(unsupported(call.rule, torch.zeros(1, 1, 1, 256), v, 32))

"""`power` of the generated kernels against torch, NaN for NaN, through Triton's interpreter."""

import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

from archer import Knob, Rule
from archer.memory.chunkwise import chunkwise
from archer.memory.fused import fused
from archer.memory.generated import import_source
from archer.memory.triton_codegen import HEADER
from archer.rules.trace import trace

pytest.importorskip("triton")
if torch.cuda.is_available():
    pytest.skip("these run in Triton's interpreter", allow_module_level=True)

# NumPy, which interprets, warns of what IEEE arithmetic gives silently
pytestmark = pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")

KERNELS = (
    HEADER
    + """
@triton.jit
def tiles(a_ptr, b_ptr, o_ptr, B: tl.constexpr):
    i = tl.arange(0, B)
    tl.store(o_ptr + i, power(tl.load(a_ptr + i), tl.load(b_ptr + i)))


@triton.jit
def by_scalar(a_ptr, b_ptr, o_ptr, B: tl.constexpr):
    i = tl.arange(0, B)
    tl.store(o_ptr + i, power(tl.load(a_ptr + i), tl.load(b_ptr)))


@triton.jit
def of_scalar(a_ptr, b_ptr, o_ptr, B: tl.constexpr):
    i = tl.arange(0, B)
    tl.store(o_ptr + i, power(tl.load(a_ptr), tl.load(b_ptr + i)))


@triton.jit
def of_number(a_ptr, b_ptr, o_ptr, B: tl.constexpr):
    i = tl.arange(0, B)
    tl.store(o_ptr + i, power((2.0), tl.load(b_ptr + i)))


@triton.jit
def by_number(a_ptr, b_ptr, o_ptr, B: tl.constexpr):
    i = tl.arange(0, B)
    tl.store(o_ptr + i, power(tl.load(a_ptr + i), (1.5)))
"""
)
NUMBERS = torch.tensor([-3.0, -2.0, -1.5, -0.5, 0.0, 0.5, 1.0, math.inf])
A, B = (x.reshape(-1).contiguous() for x in torch.meshgrid(NUMBERS, NUMBERS[:-1], indexing="ij"))
A, B = torch.cat([A, A[:8]]), torch.cat([B, B[:8]])  # 64, a power of two


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return import_source(KERNELS, "power")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tiles", lambda: A**B),
        ("by_number", lambda: A**1.5),
        ("of_number", lambda: 2.0**B),
    ],
)
def test_power_of_tiles(module: ModuleType, name: str, wanted: Callable[[], Tensor]) -> None:
    got = torch.empty_like(A)
    getattr(module, name)[(1,)](A, B, got, B=64)
    torch.testing.assert_close(got, wanted(), equal_nan=True)


@pytest.mark.parametrize("scalar", [-2.0, 0.0, 0.5, 3.0])
def test_power_of_a_tile_and_a_scalar(module: ModuleType, scalar: float) -> None:
    one, got = torch.tensor([scalar]), torch.empty_like(A)
    module.by_scalar[(1,)](A, one, got, B=64)
    torch.testing.assert_close(got, A**scalar, equal_nan=True)
    module.of_scalar[(1,)](one, B, got, B=64)
    torch.testing.assert_close(got, scalar**B, equal_nan=True)


class Powers(Rule):
    """A knob, and the step, as exponents."""

    a = Knob(2.5, low=1.0, high=3.0)

    def write(self, S: Tensor, dS: Tensor, slots: object, p: object) -> Tensor:
        a, step = p.a, p.step  # type: ignore[attr-defined]
        return S + torch.sign(dS) * (dS.abs() + 0.1) ** a / 2.0**step + 0.1 * dS**2.0


class Roots(Rule):
    """Odd roots of what is negative too."""

    def write(self, S: Tensor, dS: Tensor, slots: object, p: object) -> Tensor:
        return S + dS**1.5


def _both(rule: type[Rule]) -> list[list[Tensor]]:
    """Output and gradients of v and a knob by either engine."""
    graph, found = trace(rule), []
    for engine, dtype in ((fused, torch.float32), (chunkwise, torch.float64)):
        torch.manual_seed(0)
        q, k, v = (torch.randn(1, 12, 1, 16).to(dtype) for _ in range(3))
        q, k = (torch.nn.functional.normalize(x, dim=-1) for x in (q, k))
        beta = torch.rand(1, 12, 1).to(dtype)
        leaves = [v.requires_grad_()]
        knobs = {spec.name: torch.full((1, 1), spec.default, dtype=dtype) for spec in graph.knobs}
        leaves += [knob.requires_grad_() for knob in knobs.values()]
        o = engine(graph, q, k, v, beta, knobs=knobs, chunk_size=4)
        o = o if isinstance(o, Tensor) else o[0]
        found.append(
            [o.detach().double(), *(g.double() for g in torch.autograd.grad(o.sum(), leaves))]
        )
    return found


def test_a_knob_as_exponent_is_as_in_the_engine() -> None:
    for got, wanted in zip(*_both(Powers), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_root_of_a_negative_number_is_nan_in_both() -> None:
    got, wanted = (found[0] for found in _both(Roots))
    assert wanted[:, 4:].isnan().any()
    assert torch.equal(got.isnan(), wanted.isnan())

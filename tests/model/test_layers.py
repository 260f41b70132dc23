"""Layers against PyTorch's own, with and without the population axis, values and gradients."""

import pytest
import torch
from torch.nn import functional

from archer.memory.normalise import unit
from archer.model.layers import CausalConv, Embedding, Layer, Linear, RMSNorm, SwiGLU
from archer.model.product import product


def scrambled(layer: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    random = torch.Generator().manual_seed(seed)
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=random, dtype=parameter.dtype)
    return layer


def members_agree(make, x: torch.Tensor) -> None:
    """A layer of three members does to each what an ordinary layer does; x: [3, ...]."""
    many = scrambled(make(3))
    y = many(x)
    for i in range(3):
        one = make(None)
        for mine, theirs in zip(one.parameters(), many.parameters(), strict=True):
            mine.data = theirs[i].detach()
        torch.testing.assert_close(y[i], one(x[i]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda P: Linear(P, 16, 24, None, bias=True), (3, 10, 16)),
        (lambda P: Linear(P, 16, 1, None), (3, 10, 16)),
        (lambda P: RMSNorm(P, 16, 1e-5), (3, 10, 16)),
        (lambda P: RMSNorm(P, 8, 1e-5, groups=1), (3, 10, 2, 8)),
        (lambda P: CausalConv(P, 4, 6), (3, 2, 9, 6)),
        (lambda P: SwiGLU(P, 16, 48, None), (3, 10, 16)),
    ],
)
def test_each_member_has_its_own_layer(make, shape):
    members_agree(make, torch.randn(shape, generator=torch.Generator().manual_seed(1)))


def test_embedding_reads_each_members_own_table():
    members_agree(lambda P: Embedding(P, 5, 4), torch.arange(15).view(3, 5) % 5)


def test_rms_norm_is_torchs():
    x, layer = torch.randn(2, 5, 8), scrambled(RMSNorm(2, 8, 1e-5))
    for i in range(2):
        expected = functional.rms_norm(x[i], (8,), layer.weight[i], 1e-5)
        torch.testing.assert_close(layer(x)[i], expected)


def test_rms_norm_works_in_full_precision_under_bf16():
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    y = RMSNorm(None, 8, 1e-5)
    torch.nn.init.ones_(y.weight)
    assert y(x).dtype == torch.float32
    torch.testing.assert_close(y(x), functional.rms_norm(x.float(), (8,), eps=1e-5))


def test_unit_vectors_follow_the_public_formula():
    x = torch.randn(3, 4, 8, dtype=torch.float64) * 1e-3
    torch.testing.assert_close(unit(x), x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6))


@pytest.mark.parametrize("length", [1, 3, 9])
def test_convolution_is_torchs_depthwise_one(length):
    x = torch.randn(2, length, 6, dtype=torch.float64)
    layer = scrambled(CausalConv(None, 4, 6).double())
    kernel = layer.weight.T.unsqueeze(1)  # [D, 1, width]
    expected = functional.conv1d(functional.pad(x.mT, (3, 0)), kernel, groups=6).mT
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("length", [2, 7])
@pytest.mark.parametrize("P", [None, 2])
def test_hand_written_gradients(P, length):
    lead = () if P is None else (P,)
    x = torch.randn(*lead, 2, length, 8, dtype=torch.float64, requires_grad=True)
    conv = scrambled(CausalConv(P, 4, 8).double())
    assert torch.autograd.gradcheck(lambda x, _: conv(x), (x, conv.weight))
    assert torch.autograd.gradcheck(unit, (x,))
    norm = scrambled(RMSNorm(P, 8, 1e-5).double())
    tokens = x.detach().flatten(-3, -2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, _: norm(x), (tokens, norm.weight))


@pytest.mark.parametrize(("inputs", "outputs"), [(16, 48), (48, 16), (16, 1)])
@pytest.mark.parametrize("P", [None, 1, 3])
def test_product_and_its_gradients_are_matmuls(P, inputs, outputs):
    lead = () if P is None else (P,)
    random = torch.Generator().manual_seed(0)
    x = torch.randn(*lead, 40, inputs, generator=random).requires_grad_()
    w = torch.randn(*lead, inputs, outputs, generator=random).requires_grad_()
    dy = torch.randn(*lead, 40, outputs, generator=random)
    mine, theirs = product(x, w), x @ w
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    for a, b in zip(
        torch.autograd.grad(mine, (x, w), dy), torch.autograd.grad(theirs, (x, w), dy), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_every_parameter_is_declared():
    """A parameter without a draw would stay at zero."""
    for layer in SwiGLU(2, 16, 48, None).modules():
        if isinstance(layer, Layer):
            own = {name for name, _ in layer.named_parameters(recurse=False)}
            assert own == set(layer.draws)

"""The population's AdamW against torch.optim.AdamW, member by member."""

import pytest
import torch
from torch import nn

from archer.train.optimizer import AdamW, FlatParameters

LR, WD = [1e-3, 5e-4, 1e-1], [0.0, 0.1, 1.0]


class Toy(nn.Module):
    """Two parameters and a learned knob's logit, for each of three members."""

    def __init__(self, rows: slice) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        draw = lambda *shape: torch.randn(3, *shape, generator=random, dtype=torch.float64)  # noqa: E731
        self.matrix = nn.Parameter(draw(4, 5)[rows])
        self.logit_mu = nn.Parameter(draw(2)[rows])
        self.vector = nn.Parameter(draw(5)[rows])

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(x @ self.matrix + self.vector.unsqueeze(-2))
        return (hidden.square().sum((-2, -1)) * self.logit_mu.sum(-1).sigmoid()).sum()


def inputs(step: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(step)
    return torch.randn(3, 6, 4, generator=random, dtype=torch.float64)


def test_equals_torch_adamw_for_every_member():
    model = Toy(slice(0, 3))
    flat = FlatParameters(model, 3)
    optimizer = AdamW(flat, LR, WD)
    for step in range(20):
        flat.backward(model.loss(inputs(step)))
        optimizer.step()
    for i in range(3):
        alone = Toy(slice(i, i + 1))
        groups = [
            {"params": [alone.matrix, alone.vector], "weight_decay": WD[i]},
            {"params": [alone.logit_mu], "weight_decay": 0.0},
        ]
        reference = torch.optim.AdamW(groups, lr=LR[i])
        for step in range(20):
            reference.zero_grad()
            alone.loss(inputs(step)[i : i + 1]).backward()
            reference.step()
        for name, parameter in alone.named_parameters():
            torch.testing.assert_close(
                model.get_parameter(name)[i : i + 1], parameter, rtol=1e-12, atol=1e-14
            )


def test_parameters_are_views_of_the_buffer():
    model = Toy(slice(0, 3))
    matrix = model.matrix.detach().clone()
    flat = FlatParameters(model, 3)
    assert flat.values.shape == (3, 27)
    assert torch.equal(model.matrix, matrix)
    flat.values.zero_()
    assert not model.matrix.any()
    assert flat.decays.tolist() == [True] * 20 + [False] * 2 + [True] * 5


def test_a_parameter_without_influence_has_gradient_zero_and_still_decays():
    model = Toy(slice(0, 3))
    flat = FlatParameters(model, 3)
    flat.grads.fill_(7.0)
    flat.backward(model.vector.sum())
    assert flat.grads.tolist() == [[0.0] * 22 + [1.0] * 5] * 3
    before = model.matrix.detach().clone()
    AdamW(flat, LR, WD).step()
    shrink = torch.tensor([1 - lr * wd for lr, wd in zip(LR, WD, strict=True)]).double()
    torch.testing.assert_close(model.matrix.detach(), before * shrink.view(3, 1, 1))


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_inactive_members_keep_their_bits_whatever_their_gradient(poison):
    model = Toy(slice(0, 3))
    flat = FlatParameters(model, 3)
    optimizer = AdamW(flat, LR, WD)
    before = flat.values.clone()
    flat.grads.fill_(1.0)
    flat.grads[1] = poison
    optimizer.step(torch.tensor([True, False, True]))
    assert torch.equal(flat.values[1], before[1])
    assert flat.values.isfinite().all()
    assert (flat.values[[0, 2]] != before[[0, 2]]).all()


def test_one_kernel_does_what_the_separate_operations_do():
    flats, optimizers = [], []
    for _ in range(2):
        model = Toy(slice(0, 3)).float()
        flats.append(FlatParameters(model, 3, align=8))
        optimizers.append(AdamW(flats[-1], LR, WD))
    random = torch.Generator().manual_seed(0)
    last = torch.tensor([True, False, True])
    for step in range(6):
        active = last if step > 3 else None
        grads = torch.randn(flats[0].grads.shape, generator=random)
        for flat in flats:
            flat.grads.copy_(grads)
        optimizers[0].step(active)
        optimizers[1].steps += 1 if active is None else active
        optimizers[1]._fused(active)
        torch.testing.assert_close(flats[1].values, flats[0].values, rtol=1e-6, atol=1e-7)
    frozen = optimizers[1].mean[1].clone()
    assert not torch.equal(frozen, optimizers[1].mean[0])


def test_a_row_that_another_member_takes_starts_afresh():
    flat = FlatParameters(Toy(slice(0, 3)), 3)
    optimizer = AdamW(flat, LR, WD)
    for _ in range(3):
        flat.grads.fill_(0.5)
        optimizer.step()
    optimizer.restart(1, 1e-2, 0.0)
    assert optimizer.steps.tolist() == [3, 0, 3]
    before = flat.values[1].clone()
    flat.grads.fill_(0.5)
    optimizer.step()
    # Adam's first step is lr * sign(gradient)
    torch.testing.assert_close(before - flat.values[1], torch.full_like(before, 1e-2))


def test_parameters_can_be_aligned():
    model = Toy(slice(0, 3))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    flat = FlatParameters(model, 3, align=8)
    assert flat.values.shape == (3, 24 + 8 + 8)
    assert [place.start for place in flat.places.values()] == [0, 24, 32]
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
    flat.backward(model.loss(inputs(0)))
    other = Toy(slice(0, 3))
    grads = torch.autograd.grad(other.loss(inputs(0)), other.parameters())
    for name, grad in zip(before, grads, strict=True):
        torch.testing.assert_close(flat.views(flat.grads)[name], grad)
    padding = torch.ones(40, dtype=torch.bool)
    for place in flat.places.values():
        padding[place] = False
    assert not flat.grads[:, padding].any()

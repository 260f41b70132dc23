"""Each kernel by itself against autograd in float64, in Triton's interpreter, outputs poisoned."""

import pytest
import torch
from torch.nn import functional

from archer.model.kernels import (
    conv,
    conv_backward,
    decoder,
    decoder_backward,
    embed,
    linear,
    loss,
    mlp,
    mlp_backward,
    mlp_inner,
    mlp_map,
)
from archer.model.kernels.embed import NextNorm, Stream
from archer.model.kernels.tiles import Tiling, share

P, D, EPS = 2, 16, 1e-5


@pytest.fixture
def draw():
    random = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(shape, generator=random)


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    """Whatever a kernel leaves unwritten is NaN."""
    empty, new_empty = torch.empty, torch.Tensor.new_empty

    def poisoned(x: torch.Tensor) -> torch.Tensor:
        return x.fill_(float("nan")) if x.is_floating_point() else x.fill_(-(10**6))

    monkeypatch.setattr(torch, "empty", lambda *a, **k: poisoned(empty(*a, **k)))
    like = torch.empty_like
    monkeypatch.setattr(torch, "empty_like", lambda *a, **k: poisoned(like(*a, **k)))
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda *a, **k: poisoned(new_empty(*a, **k)))


class Flat:
    """Parameters as views of one buffer, as in training; gradients start as NaN."""

    def __init__(self, draw, **shapes: tuple[int, ...]) -> None:
        sizes = {name: torch.Size(shape).numel() for name, shape in shapes.items()}
        buffer = draw(P, sum(sizes.values()) + 7)
        grads = torch.full_like(buffer, float("nan"))
        first = 0
        for name, shape in shapes.items():
            place = slice(first, first := first + sizes[name])
            setattr(self, name, buffer[:, place].view(P, *shape))
            setattr(self, f"d{name}", grads[:, place].view(P, *shape))


def leaf(x: torch.Tensor) -> torch.Tensor:
    return x.detach().double().requires_grad_()


def near(found: torch.Tensor, exact: torch.Tensor) -> None:
    torch.testing.assert_close(
        found.double(), exact, rtol=1e-5, atol=1e-5 * exact.abs().max().item()
    )


def rms(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """x: [P, N, D], weight: [P, D]."""
    return x * (x.square().mean(-1, keepdim=True) + EPS).rsqrt() * weight.unsqueeze(1)


WALK = conv.Walk(Tiling(4, 16, 4, 1), 16, 4)  # short segments and few rows: many programs


@pytest.mark.parametrize(
    ("B", "T", "walk"),
    [
        *((B, T, None) for B, T in ((1, 1), (5, 3), (4, 32), (3, 66), (1, 129))),
        *((B, T, WALK) for B, T in ((1, 1), (5, 3), (4, 32), (3, 34), (1, 65))),
    ],
)
def test_conv_silu(monkeypatch, draw, B, T, walk):
    monkeypatch.setattr(conv, "FORWARD", walk or conv.FORWARD)
    monkeypatch.setattr(conv_backward, "BACKWARD", walk or conv_backward.BACKWARD)
    flat = Flat(draw, w=(4, 3 * D))
    x = draw(P, B, T, 3 * D)
    dy = draw(P, B, T, 3 * D)
    y = conv.conv_silu(x, flat.w)
    parts = tuple(part.contiguous() for part in dy.split(D, -1))
    dx = conv_backward.conv_silu_backward(x, flat.w, parts, flat.dw)

    x64, w64 = leaf(x), leaf(flat.w)
    padded = functional.pad(x64, (0, 0, 3, 0))
    z = sum(padded[:, :, j : j + T] * w64[:, None, None, j] for j in range(4))
    exact = functional.silu(z)
    near(y, exact)
    gx, gw = torch.autograd.grad(exact, (x64, w64), dy.double())
    near(dx, gx)
    near(flat.dw, gw)


def half(x, o, heads, mix, norm, gate, value, out):
    """The second half of a block, plainly; also the stream between its two parts."""
    split = o.view(*o.shape[:2], -1, heads.shape[-1])
    unit = split * (split.square().mean(-1, keepdim=True) + EPS).rsqrt()
    y = x + (unit * heads[:, None, None]).flatten(2) @ mix
    h = rms(y, norm)
    return y, y + (functional.silu(h @ gate) * (h @ value)) @ out


# every two of these in all their ways together: signals, heads, gather, sizes
MLPS = [
    (signals, 1 + (i + gather + j) % 2, gather, *sizes)
    for i, signals in enumerate((None, 0, 3))
    for gather in (False, True)
    for j, sizes in enumerate(((5, 48), (70, 16)))
]


@pytest.mark.parametrize(("signals", "heads", "gather", "N", "inner"), MLPS)
def test_mlp(draw, monkeypatch, signals, heads, gather, N, inner):
    monkeypatch.setattr(mlp_inner, "SHARE", 64)
    monkeypatch.setattr(mlp_map, "MAP_SHARE", 64)
    flat = Flat(
        draw, heads=(D // heads,), mix=(D, D), norm=(D,), gate=(D, inner), value=(D, inner),
        out=(inner, D), after=(D,),
    )  # fmt: skip
    names = ("heads", "mix", "norm", "gate", "value", "out")
    weights = mlp.Weights(*(getattr(flat, name) for name in names))
    gradients = mlp.Weights(*(getattr(flat, f"d{name}") for name in names))
    maps = draw(P, D, signals) if signals else None
    following = None if signals is None else NextNorm(flat.after, maps)
    o, dz = draw(P, N, D), draw(P, N, D)
    if gather:
        table, ids = draw(P, 5, D), torch.arange(P * N, dtype=torch.int32).view(P, N) % 5
        stream = Stream(table, ids)
        x = torch.stack([table[i, ids[i]] for i in range(P)])
    else:
        x = draw(P, N, D)
        stream = Stream(x)
    kept, z, hidden, raw = mlp.mlp(o, stream, weights, following, EPS)
    do, dy = mlp_backward.mlp_backward(o, kept, dz, weights, EPS, gradients)
    assert torch.equal(z, mlp.mlp(o, stream, weights, following, EPS, keep=False)[1])

    leaves = [leaf(t) for t in (x, o, *(getattr(flat, name) for name in names))]
    between, exact = half(*leaves)
    inverse = (between.square().mean(-1) + EPS).rsqrt()
    near(kept.inverse, inverse)
    near(kept.unit, between * inverse.unsqueeze(-1))
    near(z, exact)
    if following is not None:
        after = rms(exact, flat.after.double()).detach()
        near(hidden, after)
        if maps is not None:
            near(raw, after @ maps.double())
    exact_grads = torch.autograd.grad(exact, leaves, dz.double())
    mine = (dy, do, *(getattr(flat, f"d{name}") for name in names))
    for found, grad in zip(mine, exact_grads, strict=True):
        near(found, grad)


@pytest.mark.parametrize("signals", [0, 1, 3])
@pytest.mark.parametrize("gather", [False, True])
@pytest.mark.parametrize(("N", "outputs"), [(5, 48), (130, 10), (70, 40)])
def test_linear_backward(draw, signals, gather, N, outputs):
    flat = Flat(draw, norm=(D,), w=(D, outputs))
    maps = draw(P, D, signals) if signals else None
    grad, residual = draw(P, N, outputs), draw(P, N, D)
    draw_ = draw(P, N, signals) if signals else None
    table, ids = draw(P, 5, D), torch.arange(P * N, dtype=torch.int32).view(P, N) % 5
    x = torch.stack([table[i, ids[i]] for i in range(P)]) if gather else draw(P, N, D)
    stream = Stream(table, ids) if gather else Stream(x)
    given = residual if signals else None
    dmaps = [torch.full((P, D, 1), float("nan")) for _ in range(signals)]
    dx = linear.linear_backward(
        grad, flat.w, stream, NextNorm(flat.norm, maps), EPS, flat.dnorm,
        draw=draw_, dmaps=dmaps, residual=given,
    )  # fmt: skip

    x64, norm = leaf(x), leaf(flat.norm)
    h = rms(x64, norm)
    total = (h @ flat.w.double() * grad.double()).sum()
    if maps is not None:
        maps64 = leaf(maps)
        total = total + (h @ maps64 * draw_.double()).sum()
        near(torch.cat(dmaps, -1), torch.autograd.grad(total, maps64, retain_graph=True)[0])
    gx, gn = torch.autograd.grad(total, (x64, norm))
    near(dx, gx + residual.double() if signals else gx)
    near(flat.dnorm, gn)


@pytest.mark.parametrize(("words", "N"), [(5, 3), (40, 200), (150, 70)])
def test_embedding(draw, words, N):
    flat = Flat(draw, table=(words, D), norm=(D,))
    ids = (torch.arange(P * N, dtype=torch.int32).view(P, N) * 7) % (words - 1)
    maps = draw(P, D, 2)
    hidden, raw = embed.embed_norm(
        Stream(flat.table, ids), NextNorm(flat.norm, maps), EPS, torch.float32
    )
    x = torch.stack([flat.table[i, ids[i]] for i in range(P)]).double()
    exact = rms(x, flat.norm.double())
    near(hidden, exact)
    near(raw, exact @ maps.double())

    dx = draw(P, N, D)
    embed.embed_gradient(ids, dx, flat.dtable)
    hot = functional.one_hot(ids.long(), words).double()
    near(flat.dtable, hot.mT @ dx.double())


@pytest.mark.parametrize(("V", "N"), [(2, 3), (16, 600), (150, 70)])
def test_cross_entropy_and_scores(draw, V, N):
    flat = Flat(draw, bias=(V,))
    logits = 3 * draw(P, N, V)
    words = torch.tensor([V, V - 1], dtype=torch.int32)
    targets = (torch.arange(P * N, dtype=torch.int32).view(P, N) * 5) % (V - 1)
    targets[:, ::3] = -100
    x64, bias = leaf(logits), leaf(flat.bias)
    z = x64 + bias.unsqueeze(1)
    z = z.masked_fill(torch.arange(V) >= words.view(P, 1, 1), -torch.inf)
    exact = torch.stack([functional.cross_entropy(z[i], targets[i].long()) for i in range(P)])
    gz, gb = torch.autograd.grad(exact.sum(), (x64, bias))

    losses, found = loss.score(logits, flat.bias, words, targets)
    near(losses, exact)
    assert torch.equal(found, z.argmax(-1).int())
    losses = loss.cross_entropy(logits, flat.bias, words, targets, flat.dbias)
    near(losses, exact)
    near(logits, gz)
    near(flat.dbias, gb)


@pytest.mark.parametrize(
    ("N", "most", "others", "rows"),
    [
        (16384, 2048, 3 * 48, 2048),
        (16384, 2048, 3, 128),
        (16384, 1024, 6, 256),
        (100, 2048, 1, 128),
    ],
)
def test_programs_walk_over_fewer_rows_where_there_are_few(N, most, others, rows):
    assert share(N, most, others) == rows


def test_a_member_with_nothing_scored_gets_no_gradient(draw):
    flat = Flat(draw, bias=(4,))
    logits, words = draw(P, 6, 4), torch.tensor([4, 4], dtype=torch.int32)
    targets = torch.tensor([[1] * 6, [-100] * 6], dtype=torch.int32)
    losses = loss.cross_entropy(logits, flat.bias, words, targets, flat.dbias)
    assert losses.isnan().tolist() == [False, True]
    assert not logits[1].any()
    assert not flat.dbias[1].any()


@pytest.mark.filterwarnings("ignore:invalid value")  # the interpreter's numpy, about NaN - NaN
def test_likeliest_words_stay_in_the_vocabulary_when_a_member_has_diverged():
    logits = torch.full((1, 4, 5), float("nan"))
    words = torch.tensor([3], dtype=torch.int32)
    targets = torch.zeros(1, 4, dtype=torch.int32)
    losses, found = loss.score(logits, torch.zeros(1, 5), words, targets)
    assert losses.isnan().all()
    assert ((found >= 0) & (found < 5)).all()


@pytest.mark.parametrize(("B", "S", "V"), [(3, 5, 40), (40, 2, 7)])
def test_decoder(draw, B, S, V):
    shapes = {
        "first_norm": (D,), "first": (D, D), "first_bias": (D,), "second_norm": (D,),
        "second": (D, D), "second_bias": (D,), "last_norm": (D,),
    }  # fmt: skip
    flat = Flat(draw, unembed=(D, V), **shapes)
    weights = decoder.Decoder(*(getattr(flat, name) for name in shapes))
    gradients = decoder.Decoder(*(getattr(flat, f"d{name}") for name in shapes))
    z, places, dlogits = draw(P, B, D), draw(S, D), draw(P, B * S, V)
    kept, hidden = decoder.decode(z, places, weights, EPS)
    dz = decoder_backward.decode_backward(dlogits, flat.unembed, kept, weights, EPS, gradients)

    leaves = [leaf(t) for t in (z, *(getattr(flat, name) for name in shapes))]
    z64, norm1, first, bias1, norm2, second, bias2, norm3 = leaves
    x = (z64[:, :, None] + places.double()).flatten(1, 2)
    u1 = rms(x, norm1) @ first + bias1[:, None]
    u2 = rms(functional.gelu(u1), norm2) @ second + bias2[:, None]
    exact = rms(functional.gelu(u2), norm3)
    near(hidden, exact)
    grads = torch.autograd.grad(exact, leaves, dlogits.double() @ flat.unembed.double().mT)
    mine = (dz, *(getattr(flat, f"d{name}") for name in shapes))
    for found, grad in zip(mine, grads, strict=True):
        near(found, grad)

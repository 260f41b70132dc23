"""What `local` may gather over keys: decided from the graph, and held against execution."""

import linecache
from collections.abc import Callable
from pathlib import Path

import pytest

from archer.check.causality import replaced
from archer.rules.ahead import look_ahead
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph, load_graph

HOOK = """
    eta = Signal("identity")
    rate = Signal("softplus")
    tau = Knob(0.5, low=0.1, high=2.0)

    def local(self, scores, p):
        now, later, causal = p.eta[:, None], p.eta[None, :], causal_mask(scores)
        {}
        return scores * (1 + torch.tanh(now + p.rate[:, None] + p.tau) + found)
"""

# Each puts into `found`, a number per query, what tells of later tokens, if only past a threshold.
AHEAD = {
    "a threshold": "found = torch.relu((0.0 * scores + later).amax(-1, keepdim=True) - 12.0)",
    "added": "found = (scores + later).sum(-1, keepdim=True)",
    "softmax": "found = torch.softmax(scores + later, dim=-1).amax(-1, keepdim=True)",
    "the lower half kept": "found = torch.where(~causal, later, 0.0).amin(-1, keepdim=True)",
    "a mask that lets all through": "found = torch.where(causal | (later > 12), 1.0, 0.0).sum(-1)"
    "[:, None]",
    "columns of the transpose": "found = (0 * scores.mT + now).amax(-2, keepdim=True).mT",
    "an outer product": "found = (0 * scores + p.eta[:, None] @ p.eta[None, :])"
    ".amax(-1, keepdim=True)",
    "a product over keys": "found = torch.tanh(((0 * scores + later) @ (1 + 0 * scores).mT)"
    " * causal)",
    "what overflows": "found = (scores * torch.exp(100 * (later - 12))).amax(-1, keepdim=True)\n"
    "        found = torch.where(found == found, 0.0, 1.0)",
    "a quotient": "found = (scores / torch.relu(12 - later)).amax(-1, keepdim=True)\n"
    "        found = torch.where(found == found, 0.0, 1.0)",
    "a zero's sign": "found = 1 / ((0.0 * scores) * (later - 12)).amax(-1, keepdim=True)\n"
    "        found = torch.where(found > 0.0, 1.0, 0.0)",
    "a root of a zero": "found = ((0.0 * scores) * (later - 12)).amin(-1, keepdim=True).rsqrt()\n"
    "        found = torch.where(found > 0.0, 1.0, 0.0)",
    "a zero's sign before the reduction": "found = torch.tanh(1 / (scores * later))"
    ".sum(-1, keepdim=True)",
}
WHERE = "where later tokens have their `eta`"
SAID = {
    **dict.fromkeys(AHEAD, f"reduces over keys {WHERE};"),
    "a product over keys": f"sums a product over keys {WHERE};",
    "what overflows": f"reduces over keys {WHERE} in what may overflow, and 0 * inf is NaN;",
    "a zero's sign": "divides by what may be a zero with the sign of a later token's signal;",
    "a root of a zero": "divides by what may be a zero with the sign of a later token's signal;",
}

CAUSAL = {
    "masked": "found = torch.where(causal, scores + later, 0).sum(-1, keepdim=True)",
    "masked by filling": "found = (scores + later).masked_fill(~causal, -1e30).amax(-1, True)",
    "the lower triangle": "found = torch.tril(later * now + scores).norm(dim=-1, keepdim=True)",
    "masked by a product": "found = (causal * later).abs().sum(-1, keepdim=True)",
    "two masks": "found = torch.where(causal & (later > 0), later, 0.0).amax(-1, True)",
    "scores that later tokens weigh": "found = (scores * later).sum(-1, keepdim=True)",
    "kept by later tokens": "found = torch.where(later > 1, scores, 0.0).sum(-1, True)",
    "a quotient of what is never zero": "found = (scores / (0.1 + p.rate)).sum(-1, keepdim=True)",
    "a power": "found = ((scores * later).abs() ** p.tau).sum(-1, keepdim=True)",
    "an exponential that is bounded": "found = (scores * torch.exp(-p.rate)).sum(-1, True)",
    "softplus by hand": "found = (scores * torch.nn.functional.softplus(later)).sum(-1, True)",
    "divided by their sum": "weighed = scores * later\n"
    "        found = (weighed / (0.1 + weighed.abs().sum(-1, True))).amax(-1, True)",
    "a norm": "found = torch.nn.functional.normalize(scores * later, dim=-1).amax(-1, True)",
    "a softmax weighed again": "found = (causal_softmax(now * scores) * later).sum(-1, True)",
    "a softmax": "found = torch.softmax(torch.where(causal, later, -1e30), -1).amax(-1, True)",
    "the query's own": "found = (0 * scores + now).amax(-1, keepdim=True)",
    "over the transpose": "found = (scores.mT * now).sum(-2, keepdim=True).mT",
    "a product over keys": "found = torch.tanh(scores @ (scores * later).mT) * causal",
    "not gathered": "found = torch.exp(later) / now",
}


@pytest.fixture
def graph_of(rule_file: Callable[..., Path]) -> Callable[[str], RuleGraph]:
    """Lines of `local` that set `found` -> the graph of a rule."""

    def build(lines: str) -> RuleGraph:
        linecache.clearcache()
        return load_graph(str(rule_file(HOOK.format(lines))))

    return build


@pytest.mark.parametrize("name", AHEAD)
def test_gathering_what_later_tokens_hold_is_found(
    name: str, graph_of: Callable[[str], RuleGraph]
) -> None:
    graph = graph_of(AHEAD[name])
    found = look_ahead(graph)
    assert found is not None
    advice = " mask first, as in torch.where(causal_mask(scores), x, 0)"
    assert found.message == f"local: looks ahead: {SAID[name]}{advice}"
    assert found.line == 11
    # no false alarm: there is an input for which an earlier output changes
    ran = replaced(graph)
    assert not ran.passed
    assert "changes the output at token" in ran.message


@pytest.mark.parametrize("name", CAUSAL)
def test_what_is_masked_first_passes(name: str, graph_of: Callable[[str], RuleGraph]) -> None:
    graph = graph_of(CAUSAL[name])
    assert look_ahead(graph) is None
    assert replaced(graph).passed


def test_all_signals_of_later_tokens_are_named(graph_of: Callable[[str], RuleGraph]) -> None:
    found = look_ahead(graph_of("found = (later * now + p.rate + scores).sum(-1, keepdim=True)"))
    assert found is not None
    assert "where later tokens have their `eta` and `rate`;" in found.message


def test_a_knob_may_make_a_product_overflow(graph_of: Callable[[str], RuleGraph]) -> None:
    """What is finite is worked out with the knob's bounds."""
    lines = "found = (scores * torch.exp(p.tau * torch.tanh(later))).sum(-1, keepdim=True)"
    assert look_ahead(graph_of(lines)) is None
    assert look_ahead(graph_of(lines.replace("p.tau", "(100 * p.tau)"))) is not None


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_rules_do_not(name: str) -> None:
    assert look_ahead(builtin_graph(name)) is None

"""Exported files, imported in a clean process, give what the engine gives."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from archer.errors import ArcherError
from archer.export import export_rule
from archer.memory.chunkwise import chunkwise
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph, load_graph, load_rule

USER_RULE = '''
"""Every hook, with names that the exported function uses itself."""
import torch
from archer import Knob, Rule, Signal, causal_mask, causal_softmax

class Awkward(Rule):
    W = Knob(0.6, low=0.0, high=1.0)
    length = Knob(0.4, low=0.0, high=1.0)
    gate_ = Knob(1.5, low=0.0, high=2.0)
    n = Signal("sigmoid")
    eta = Signal("softplus")
    slots = ("q", "outputs")
    chunk_size = 8

    def gate(self, U, p):
        x = U * p.n[:, None] + U.mean(0)
        return x / (1 + x.norm(dim=-1, keepdim=True)) * U.shape[-1] ** 0.5

    def local(self, scores, p):
        return (1 - p.n) * scores + p.eta[:, None] * causal_softmax(p.gate_ * scores)

    def write(self, S, dS, slots, p):
        q = p.W * slots.q + torch.where(dS > 0, dS, 0.1 * dS)
        out = slots.outputs + torch.tanh(q) * p.length ** p.step
        return S.clamp(-9, 9) + q + 0.1 * out, {"outputs": out, "q": q}
'''
MASK_RULE = """
from archer import Rule, Signal, causal_mask

class MaskAlone(Rule):
    decay = Signal("log_decay")

    def gate(self, U, p):
        return U * p.decay.exp()[:, None]

    def local(self, scores, p):
        return causal_mask(scores) * 0.5
"""

# Runs where nothing of this repository can be imported: argv is packages, jobs, results.
CLEAN = """
import importlib
import sys

sys.path.append(sys.argv[1])
import torch

jobs, results = torch.load(sys.argv[2]), {}
sys.path.insert(0, jobs["folder"])
for name, job in jobs["rules"].items():
    exported = importlib.import_module("exported_" + name)
    inputs = {key: x.requires_grad_() for key, x in job["inputs"].items()}
    output, state = exported.delta_rule_chunkwise(**inputs)
    loss = (output * job["weights"][0]).sum() + (state * job["weights"][1]).sum()
    results[name] = [output, state, *torch.autograd.grad(loss, list(inputs.values()))]
try:
    import archer
except ImportError:
    torch.save(results, sys.argv[3])
else:
    raise SystemExit("archer can be imported here, so this proves nothing")
"""

N, T, H, D_K, D_V = 2, 96, 3, 5, 4


def _inputs(rule: RuleGraph) -> dict[str, Tensor]:
    """q, k, v, beta, g, signals and knobs by name, as [batch, heads, length, ...]."""
    torch.manual_seed(0)
    q, k = (functional.normalize(torch.randn(N, H, T, D_K).double(), dim=-1) for _ in range(2))
    inputs = {"q": q, "k": k, "v": torch.randn(N, H, T, D_V).double()}
    inputs["beta"] = torch.rand(N, H, T).double()
    if rule.decay:
        inputs["g"] = -torch.rand(N, H, T).double()
    signals = [s.name for s in rule.signals if s.name != rule.decay]
    inputs |= {name: torch.rand(N, H, T).double() for name in signals}
    for knob in rule.knobs:
        inputs[knob.name] = knob.default * (0.5 + 0.5 * torch.rand(N, H).double())
    return inputs


def _engine(rule: RuleGraph, given: dict[str, Tensor], weights: list[Tensor]) -> list[Tensor]:
    leaves = {name: x.clone().requires_grad_() for name, x in given.items()}
    tokens = {n: x.transpose(1, 2) for n, x in leaves.items() if x.ndim > 2}
    output, state = chunkwise(
        rule,
        *(tokens.pop(name) for name in ("q", "k", "v", "beta")),
        tokens.pop("g", None),
        knobs={knob.name: leaves[knob.name] for knob in rule.knobs},
        signals=tokens,
        output_final_state=True,
    )
    assert state is not None
    output = output.transpose(1, 2)
    loss = (output * weights[0]).sum() + (state * weights[1]).sum()
    return [output, state, *torch.autograd.grad(loss, list(leaves.values()))]


RULES = [*BUILTIN, "awkward", "mask_alone"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    """For every rule what its exported file gives, in a clean process, and the engine."""
    folder = tmp_path_factory.mktemp("exported")
    jobs: dict[str, Any] = {}
    wanted: dict[str, list[Tensor]] = {}
    for name in RULES:
        text = {"awkward": USER_RULE, "mask_alone": MASK_RULE}.get(name)
        if text:
            (folder / f"{name}.py").write_text(text)
        rule = load_graph(str(folder / f"{name}.py") if text else name)
        (folder / f"exported_{name}.py").write_text(export_rule(rule))
        given = _inputs(rule)
        weights = [torch.randn(N, H, T, D_V).double(), torch.randn(N, H, D_K, D_V).double()]
        jobs[name] = {"inputs": given, "weights": weights}
        wanted[name] = _engine(rule, given, weights)
    torch.save({"folder": str(folder), "rules": jobs}, folder / "jobs")
    # -I and -S keep out PYTHONPATH, this folder and an editable install of archer
    packages = str(Path(torch.__file__).parents[1])
    arguments = [packages, str(folder / "jobs"), str(folder / "results")]
    command = [sys.executable, "-I", "-S", "-c", CLEAN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    found = torch.load(folder / "results")
    return {name: (found[name], wanted[name]) for name in RULES}


@pytest.mark.parametrize("name", RULES)
def test_equals_the_engine(name: str, exported: dict[str, tuple[Any, Any]]) -> None:
    found, wanted = exported[name]
    # Adam's knobs have gradients of several thousand here: their last bits are above 1e-10
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-10)


def _imported(source: str) -> Any:
    space: dict[str, Any] = {}
    exec(compile(source, "<exported>", "exec"), space)
    return space["delta_rule_chunkwise"]


def _tokens(*tensors: Tensor) -> list[Tensor]:
    return [x.transpose(1, 2) for x in tensors]


@pytest.mark.parametrize("name", ["delta", "momentum", "softmax_attention"])
def test_defaults_and_another_chunk_size(name: str) -> None:
    rule = builtin_graph(name)
    given = {n: x for n, x in _inputs(rule).items() if n in ("q", "k", "v", "beta")}
    function = _imported(export_rule(rule))
    for C, arguments in ((32, ()), (8, (8,)), (96, (96,))):
        wanted, _ = chunkwise(rule, *_tokens(*given.values()), chunk_size=C)
        output, _ = function(*given.values(), *arguments)
        torch.testing.assert_close(output.transpose(1, 2), wanted, rtol=0.0, atol=1e-10)


def test_knobs_as_numbers_and_per_head() -> None:
    rule = builtin_graph("momentum")
    given = {n: x for n, x in _inputs(rule).items() if n in ("q", "k", "v", "beta")}
    function = _imported(export_rule(rule))
    half, _ = function(**given, mu=0.5)
    per_head, _ = function(**given, mu=torch.tensor([0.5, 0.1, 0.9]))
    assert torch.equal(per_head[:, 0], half[:, 0])
    assert not torch.equal(per_head[:, 1], half[:, 1])
    with pytest.raises(TypeError):
        function(**given, mo=0.5)


def test_bf16_in_bf16_out() -> None:
    given = [x.bfloat16() for n, x in _inputs(builtin_graph("delta")).items()]
    output, state = _imported(export_rule(builtin_graph("delta")))(*given)
    assert (output.dtype, state.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("length", [0, 1, 33, 95])
def test_length_that_is_no_multiple_of_the_chunk(length: int) -> None:
    given = [x[:, :, :length] for x in _inputs(builtin_graph("delta")).values()]
    message = f"length {length} does not divide into chunks of 32"
    with pytest.raises(ValueError, match=message):
        _imported(export_rule(builtin_graph("delta")))(*given)


@pytest.mark.parametrize("name", BUILTIN)
def test_it_reads_well(name: str) -> None:
    doc = sys.modules[load_rule(name).__module__].__doc__ or ""
    source = export_rule(builtin_graph(name), doc=doc)
    assert source.startswith(f'"""{doc.strip()}\n')
    assert f"from the rule `{name}`" in " ".join(source.split())
    assert "archer" not in source
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert set(imports) <= {"import torch", "import math"}
    assert max(map(len, source.splitlines())) <= 100
    arguments = "q, k, v, beta, g, " if name == "gated_delta" else "q, k, v, beta, "
    flat = " ".join(source.split()).replace("delta_rule_chunkwise( ", "delta_rule_chunkwise(")
    assert f"def delta_rule_chunkwise({arguments}chunk_size=32" in flat


def test_a_docstring_cannot_end_the_string() -> None:
    source = export_rule(builtin_graph("delta"), doc='Quotes """ and \\n and a last quote"')
    space: dict[str, Any] = {}
    exec(compile(source, "<exported>", "exec"), space)
    assert space["__doc__"].startswith("Quotes ''' and \\n and a last quote\"\n")


def test_unknown_target() -> None:
    with pytest.raises(ArcherError, match="cannot export to 'jax'; choose one of: fla-naive"):
        export_rule(builtin_graph("delta"), "jax")

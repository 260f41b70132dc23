"""What a rule file may not say: each mistake is refused by name, at its own line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from archer.errors import ArcherError
from archer.rules.base import RuleError
from archer.rules.graph import KnobSpec, SignalSpec
from archer.rules.load import BUILTIN, builtin_graph, load_graph, load_rule, row_name

FILES = Path(__file__).parent / "files"
Body = Callable[..., Path]


@dataclass
class Bad:
    """A rule's body with the mistake on the line that ends in `# here`."""

    body: str
    check: str
    message: str


WRITE = "def write(self, S, dS, slots, p):\n"
LOCAL = "def local(self, scores, p):\n"

BAD = {
    "if on a tensor": Bad(
        WRITE + "    if dS.sum() > 0:  # here\n        return S\n    return S + dS",
        "operations",
        "torch.where(condition, a, b)",
    ),
    "while on a tensor": Bad(
        WRITE + "    while (dS > 0).sum() > 0:  # here\n        dS = dS - 1\n    return S + dS",
        "operations",
        "torch.where(condition, a, b)",
    ),
    "max of Python": Bad(
        WRITE + "    return S + max(dS, 0)  # here", "operations", "torch.where(condition, a, b)"
    ),
    "item": Bad(WRITE + "    return S * dS.sum().item()  # here", "operations", "'item' is not"),
    "float": Bad(WRITE + "    return S * float(dS.sum())  # here", "operations", "no number"),
    "math": Bad(WRITE + "    return S * math.exp(p.step)  # here", "operations", "no number"),
    "a loop over C": Bad(
        "def gate(self, U, p):\n"
        "    for n in range(U.shape[0]):  # here\n        U = U * 2\n    return U",
        "operations",
        "nothing loops over tokens or rows",
    ),
    "a knob of self": Bad(
        "mu = Knob(0.5, low=0.0, high=1.0)\n" + WRITE + "    return S + self.mu * dS  # here",
        "operations",
        "is read as p.NAME",
    ),
    "a slot by index": Bad(
        'slots = ("m",)\n' + WRITE + '    return S + dS, {"m": slots["m"]}  # here',
        "names",
        "write slots.m instead of slots['m']",
    ),
    "iteration": Bad(
        WRITE + "    return S + sum(row for row in dS)  # here", "operations", "iterated"
    ),
    "in place by method": Bad(
        WRITE + "    S.mul_(2.0)  # here\n    return S", "operations", "'mul_' is not"
    ),
    "in place by index": Bad(
        WRITE + "    S[0] = 0.0  # here\n    return S", "operations", "pure functions"
    ),
    "in place on a slot": Bad(
        'slots = ("m",)\n' + WRITE + '    slots.m = dS  # here\n    return S, {"m": slots.m}',
        "operations",
        "slots.m cannot be assigned",
    ),
    "indexing": Bad(WRITE + "    return S + dS[0]  # here", "operations", "only x[:, None]"),
    "an undeclared knob": Bad(
        "mu = Knob(0.9, low=0.0, high=1.0)\n" + WRITE + "    return S + p.mue * dS  # here",
        "names",
        "p.mue is not declared (there is: mu, step); did you mean 'mu'?",
    ),
    "an undeclared slot": Bad(
        WRITE + "    return S + slots.m  # here", "names", "slots.m is not declared"
    ),
    "an unused knob": Bad(
        "mu = Knob(0.9, low=0.0, high=1.0)  # here\n" + WRITE + "    return S + dS",
        "names",
        "mu: declared but no hook reads it",
    ),
    "an unused signal": Bad(
        'eta = Signal("sigmoid")  # here\n' + WRITE + "    return S + dS", "names", "eta: declared"
    ),
    "a reserved name": Bad(
        "beta = Knob(0.9, low=0.0, high=1.0)  # here\n" + WRITE + "    return S + p.beta * dS",
        "names",
        "'beta' is a reserved name",
    ),
    "a private name": Bad(
        "_x = Knob(0.9, low=0.0, high=1.0)  # here\n" + WRITE + "    return S + p._x * dS",
        "names",
        "'_x' is a reserved name",
    ),
    "a keyword as a slot": Bad(
        'slots = ("lambda",)  # here\n' + WRITE + "    return S + dS", "names", "'lambda' is a"
    ),
    "a name twice": Bad(
        'm = Knob(0.9, low=0.0, high=1.0)  # here\nslots = ("m",)\n'
        + WRITE
        + '    return S + p.m * dS, {"m": dS}',
        "names",
        "'m' is declared twice",
    ),
    "slots as a string": Bad(
        'slots = "m"  # here\n' + WRITE + "    return S + dS", "names", 'as in ("m",)'
    ),
    "a chunk of nothing": Bad(
        "chunk_size = 0  # here\n" + WRITE + "    return S + dS", "names", "from 1 to 1024"
    ),
    "two decays": Bad(
        'first = Signal("log_decay")\nsecond = Signal("log_decay")  # here',
        "names",
        "at most one log_decay",
    ),
    "a wrong shape": Bad(
        WRITE + "    return S + dS.T  # here", "shapes", "[d_k, d_v] and [d_v, d_k]"
    ),
    "a row vector for a column": Bad(
        'eta = Signal("sigmoid")\ndef gate(self, U, p):\n    return p.eta * U  # here',
        "shapes",
        "a [C] vector scales rows as `x[:, None]`",
    ),
    "a wrong result": Bad(
        "def gate(self, U, p):\n    return U.sum(-1)  # here", "shapes", "got a vector"
    ),
    "a mask for local of another shape": Bad(
        "def local(self, scores, p):\n    return scores.sum(-1, keepdim=True)  # here",
        "shapes",
        "must have shape [C, C], got [C, 1]",
    ),
    "no return": Bad(
        "def write(self, S, dS, slots, p):  # here\n    S = S + dS", "shapes", "a `return` missing?"
    ),
    "slots not returned": Bad(
        'slots = ("m",)\ndef write(self, S, dS, slots, p):\n    return S + slots.m  # here',
        "shapes",
        'must return S, {"m": ...}, got slots []',
    ),
    "other slots returned": Bad(
        'slots = ("m",)\ndef write(self, S, dS, slots, p):\n'
        '    return S + slots.m, {"n": dS}  # here',
        "shapes",
        "got slots ['n']",
    ),
    "a hook that fails": Bad(
        WRITE + "    return S + undefined  # here", "hooks run", "NameError: name 'undefined'"
    ),
    "a hook with another signature": Bad(
        "def gate(self, U):  # here\n    return U",
        "hooks run",
        "but 3 were given; it is called as gate(self, U, p)",
    ),
    "a hook without its slots": Bad(
        "def write(self, S, dS, p):  # here\n    return S + dS",
        "hooks run",
        "it is called as write(self, S, dS, slots, p)",
    ),
    "a hook that leaves": Bad(WRITE + "    raise SystemExit(3)  # here", "hooks run", "SystemExit"),
    "endless recursion": Bad(
        "def again(self, x):\n    return self.again(x)  # here\n"
        + WRITE
        + "    return self.again(S)",
        "hooks run",
        "RecursionError",
    ),
    "sum over queries": Bad(
        LOCAL + "    return scores / (1 + scores.sum(0))  # here", "causal", "reduces over queries"
    ),
    "sum over queries, transposed": Bad(
        LOCAL + "    return scores * scores.T.sum(-1)  # here", "causal", "reduces over queries"
    ),
    "mean over everything": Bad(
        LOCAL + "    return scores - scores.mean()  # here", "causal", "reduces over queries"
    ),
    "softmax over queries": Bad(
        LOCAL + "    return torch.softmax(scores, dim=0)  # here", "causal", "reduces over queries"
    ),
    "softmax over queries, transposed": Bad(
        LOCAL + "    return torch.softmax(scores.T, -1).T  # here", "causal", "reduces over queries"
    ),
    "matrix product over queries": Bad(
        LOCAL + "    return scores.T @ scores  # here", "causal", "reduces over queries"
    ),
    "sum of scores and their transpose": Bad(
        LOCAL + "    return scores * (scores + scores.T).sum(-1)[:, None]  # here",
        "causal",
        "reduces over queries",
    ),
    "largest of all queries": Bad(
        LOCAL + "    return scores - scores.amax(-2, keepdim=True)  # here", "causal", "queries"
    ),
    "norm over queries": Bad(
        LOCAL + "    return scores / scores.norm(dim=0)  # here", "causal", "reduces over queries"
    ),
    "normalised over queries": Bad(
        LOCAL + "    return torch.nn.functional.normalize(scores, dim=0)  # here",
        "causal",
        "reduces over queries",
    ),
    "row sums summed": Bad(
        LOCAL + "    return scores - scores.sum(-1).sum()  # here", "causal", "reduces over queries"
    ),
    "a vector times the scores": Bad(
        LOCAL + "    return scores * (scores.sum(-1) @ scores)  # here", "causal", "over queries"
    ),
    "mean of a signal": Bad(
        'eta = Signal("sigmoid")\n' + LOCAL + "    return scores * p.eta.mean()  # here",
        "causal",
        "all tokens of the chunk",
    ),
    "scores times a signal": Bad(
        'eta = Signal("sigmoid")\n' + LOCAL + "    return scores * (scores @ p.eta)  # here",
        "causal",
        "all tokens of the chunk",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_mistake_is_named_at_its_line(name: str, rule_file: Body) -> None:
    bad = BAD[name]
    path = rule_file(bad.body)
    lines = path.read_text().splitlines()
    line = next((n for n, text in enumerate(lines, start=1) if text.endswith("# here")), None)
    with pytest.raises(RuleError) as caught:
        load_graph(str(path))
    assert caught.value.check == bad.check
    assert bad.message in str(caught.value)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert "\n" not in str(caught.value)


BAD_FILES = {
    "two_rules": ("one rule", 10, "defines 2 rules (First, Second); keep one rule per file"),
    "no_rule": ("one rule", None, "defines no rule"),
    "import_error": ("imports", 3, "ModuleNotFoundError: No module named 'not_a_module'"),
    "leaves": ("imports", 5, "SystemExit"),
    "bad_knob": ("imports", 7, "default=2.0 lies outside its bounds [0.0, 1.0]"),
    "endless_knob": ("imports", 7, "bounds [0.0, inf] must be finite"),
    "bad_signal": ("imports", 7, "activation must be one of sigmoid, softplus"),
    "missing": ("imports", None, "no such rule file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file(name: str) -> None:
    check, line, message = BAD_FILES[name]
    with pytest.raises(RuleError) as caught:
        load_graph(str(FILES / f"{name}.py"))
    assert (caught.value.check, caught.value.line) == (check, line)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_hook_prints_are_names_and_shapes(
    rule_file: Body, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = "U, U.shape, U.sum(-1), 2 * p.step, f'{U.mean():.3f}'"
    body = f"def gate(self, U, p):\n    print({printed})\n    return U"
    load_graph(str(rule_file(body)))
    assert capsys.readouterr().out == "U [C, d_v] (C, d_v) tensor [C] scalar scalar\n"


def test_syntax_error(rule_file: Body) -> None:
    path = rule_file("def write(self, S, dS, slots, p)\n    return S")
    with pytest.raises(RuleError, match=r"my_rule\.py:5: syntax error: expected ':'") as caught:
        load_rule(str(path))
    assert (caught.value.check, caught.value.line) == ("imports", 5)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rule.txt"
    path.write_text("")
    with pytest.raises(RuleError, match=r"must end in \.py"):
        load_rule(str(path))


def test_a_rule_file_may_import_what_it_likes_from_archer() -> None:
    rule = load_graph(str(FILES / "inherits.py"))
    assert (rule.name, rule.slots) == ("inherits", ("m",))
    assert [knob.name for knob in rule.knobs] == ["mu", "floor"]
    assert rule.chunk_size == 16


def test_a_changed_file_is_read_again(rule_file: Body) -> None:
    first = load_graph(str(rule_file("def write(self, S, dS, slots, p):\n    return 2 * S + dS")))
    second = load_graph(str(rule_file("def write(self, S, dS, slots, p):\n    return 3 * S + dS")))
    assert first.rule_hash != second.rule_hash
    assert not list(rule_file("").parent.glob("__pycache__"))


# -- built-in rules ------------------------------------------------------------------------------

SLOTS = {"momentum": ("m",), "adam": ("m", "v"), "adam_softmax": ("m", "v")}
KNOBS = {
    "decay": [KnobSpec("lam", 0.95, 0.0, 1.0)],
    "error_gated": [KnobSpec("tau", 0.01, 1e-4, 1.0, log=True)],
    "momentum": [KnobSpec("mu", 0.9, 0.0, 1.0)],
    "softmax_attention": [KnobSpec("scale", 1.0, 1e-3, 256.0, log=True)],
}
CHANGED_HOOK = {
    "delta": [],
    "decay": ["write"],
    "error_gated": ["gate"],
    "momentum": ["write"],
    "softmax_attention": ["local"],
    "adam": ["write"],
    "adam_softmax": ["local", "write"],
    "gated_delta": [],
}


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_rule(name: str) -> None:
    rule = builtin_graph(name)
    assert (rule.name, rule.chunk_size) == (name, 32)
    assert rule.slots == SLOTS.get(name, ())
    assert [h for h in ("gate", "local", "write") if not rule.is_default(h)] == CHANGED_HOOK[name]
    if name in KNOBS:
        assert list(rule.knobs) == KNOBS[name]
    decay = (SignalSpec("decay", "log_decay"),) if name == "gated_delta" else ()
    assert rule.signals == decay


def test_adam_is_as_published() -> None:
    defaults = {knob.name: knob.default for knob in builtin_graph("adam").knobs}
    assert defaults == {"lr": 1.0, "mu1": 0.9, "mu2": 0.999, "eps": 1e-8, "bias_correction": 0.0}
    mixed = {knob.name: knob for knob in builtin_graph("adam_softmax").knobs}
    assert {name for name, knob in mixed.items() if knob.learn} == {"gamma", "gamma_local"}
    assert mixed["gamma"].default == mixed["gamma_local"].default == 0.1


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_file_says_its_equations(name: str) -> None:
    rule = load_rule(name)
    assert rule.rule_name() == name
    assert row_name(name).startswith(("delta_net_4layer", "gated_delta_net_4layer"))


def test_every_node_of_a_hook_knows_its_line(rule_file: Body) -> None:
    path = rule_file("def write(self, S, dS, slots, p):\n    x = S + 2 * dS\n    return x * x")
    nodes = load_graph(str(path)).write.nodes
    lines = path.read_text().splitlines()
    by_line = {node.op: lines[(node.line or 0) - 1].strip() for node in nodes if node.line}
    assert by_line["add"] == "x = S + 2 * dS"
    assert {node.label for node in nodes if node.op == "add"} == {"x"}


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ArcherError, match=r"unknown rule 'momentun': did you mean momentum\?"):
        load_rule("momentun")


@pytest.mark.parametrize(
    "text",
    [
        "dS * torch.rand(())",
        "torch.rand(()) * dS",
        "dS ** torch.tensor(0.5)",
        "dS + torch.ones(1)",
        "torch.where(dS > 0, dS, torch.tensor(0.5))",
        "dS @ torch.eye(3)",
    ],
)
def test_a_tensor_of_the_rule_s_own_is_refused(text: str, rule_file: Body) -> None:
    """A random one would make another rule of it at each load."""
    path = rule_file(f"{WRITE}    return S + {text}")
    with pytest.raises(RuleError, match="of type Tensor cannot enter a rule graph; use plain num"):
        load_graph(str(path))

"""`archer check`: every check by name, with what went wrong and where."""

import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archer.check import CHECKS, check_file, checked_graph
from archer.check.causality import causal, replaced
from archer.check.probes import independent
from archer.errors import ArcherError
from archer.memory.chunkwise import chunkwise
from archer.rules.base import RuleError
from archer.rules.load import BUILTIN, builtin_graph, load_graph

HEAD = (
    "import torch\n"
    "from archer import Knob, Rule, Signal, causal_mask, causal_softmax\n\n\n"
    "class MyRule(Rule):\n"
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Body of a rule class -> path of a file that holds it."""

    def write_file(body: str) -> str:
        path = tmp_path / "my_rule.py"
        path.write_text(HEAD + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n")
        return str(path)

    return write_file


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_rules_pass_and_know_themselves(name: str) -> None:
    report = check_file(name)
    assert report.ok, [str(result) for result in report.results]
    assert tuple(result.name for result in report.results) == CHECKS
    assert report.failed is None
    assert report.graph == builtin_graph(name)
    wanted = f"hash {report.graph.rule_hash[:16]}: the same mathematics as the built-in rule {name}"
    assert report.results[-1].message == wanted


@dataclass
class Bad:
    """A rule's body, the check that fails, what it says; `# here` ends the line it points at."""

    body: str
    check: str
    messages: tuple[str, ...]


# At usual inputs no output changes: the largest of later tokens' `eta` counts from 12 on.
PEEK = """
    eta = Signal("identity")

    def local(self, scores, p):
        ahead = (0.0 * scores + p.eta[None, :]).amax(-1, keepdim=True)  # here
        return scores * (1.0 + torch.tanh(p.eta[:, None]) + torch.relu(ahead - 12.0))
    """

BAD = {
    "an operation": Bad(
        "def gate(self, U, p):\n    return torch.fft.fft(U)  # here",
        "operations",
        ("gate: 'fft_fft' is not an allowed operation; allowed are", "softmax, softplus, sqrt"),
    ),
    "a shape": Bad(
        "def gate(self, U, p):\n    return U.sum(-1)  # here",
        "shapes",
        ("gate: the result must have shape [C, d_v], got a vector",),
    ),
    "a name": Bad(
        "def write(self, S, dS, slots, p):\n    return S + p.mu * dS  # here",
        "names",
        ("write: p.mu is not declared (there is: step)",),
    ),
    "a reduction over queries": Bad(
        "def local(self, scores, p):\n    return scores / (1 + scores.sum(0))  # here",
        "causal",
        ("local: reduces over queries, which lets a token see later ones",),
    ),
    "a hook that fails": Bad(
        "def write(self, S, dS, slots, p):\n    return S + nothing  # here",
        "hooks run",
        ("write: NameError: name 'nothing' is not defined",),
    ),
    "a number that overflows": Bad(
        "def write(self, S, dS, slots, p):\n    return S + dS / 10.0 ** (S.shape[0] * 999)",
        "hooks run",
        ("length 1: OverflowError:",),
    ),
    "a signal read before it is masked": Bad(
        """
        eta = Signal("sigmoid")

        def local(self, scores, p):
            return scores / (1 + (scores + p.eta).sum(-1))[:, None]  # here
        """,
        "causal",
        (
            "local: looks ahead: reduces over keys where later tokens have their `eta`;",
            "mask first, as in torch.where(causal_mask(scores), x, 0)",
        ),
    ),
    "a signal in a softmax without a mask": Bad(
        """
        eta = Signal("identity")

        def local(self, scores, p):
            return torch.softmax(scores * p.eta[:, None] + p.eta, dim=-1)  # here
        """,
        "causal",
        ("local: looks ahead: reduces over keys where later tokens have their `eta`;",),
    ),
    "the decay read before it is masked": Bad(
        """
        g = 0.5
        decay = Signal("log_decay")

        def local(self, scores, p):
            return scores * (scores * 0 + p.decay).amax(-1)[:, None]  # here
        """,
        "causal",
        ("local: looks ahead: reduces over keys where later tokens have their `decay`;",),
    ),
    "a signal that shows past a threshold": Bad(
        PEEK,
        "causal",
        ("local: looks ahead: reduces over keys where later tokens have their `eta`;",),
    ),
    "a division by zero": Bad(
        "def gate(self, U, p):\n    return U / U.abs()",
        "finite",
        ("the memory is NaN on random inputs, length 1, whose last chunk is filled up with zeros",),
    ),
    "a logarithm": Bad(
        "def write(self, S, dS, slots, p):\n    return S + torch.log(dS)",
        "finite",
        ("NaN on random inputs", "the memory is NaN", "length 1,"),
    ),
    "an exponential": Bad(
        "def write(self, S, dS, slots, p):\n    return S + torch.exp(dS)",
        "finite",
        ("on large inputs (v 100 times its usual size, beta 0.999)", "infinite"),
    ),
    "a division by the memory": Bad(
        "def write(self, S, dS, slots, p):\n    return S + dS / S.norm()",
        "finite",
        ("the memory is infinite on random inputs, length 1",),
    ),
    "a gradient that overflows": Bad(
        "def write(self, S, dS, slots, p):\n    return S + dS / (1e-30 + (dS * dS).sum() ** 2)",
        "gradients",
        ("on tiny inputs (v a millionth of its usual size, beta 0.001)",),
    ),
    "the root of zero": Bad(
        "def gate(self, U, p):\n    return U / (1 + torch.sqrt((U * U).sum(-1)))[:, None]",
        "gradients",
        ("the gradient of k, v, beta is not finite on all-zero inputs", "sqrt(x + 1e-6)"),
    ),
    "a root that only padding makes zero": Bad(
        "def local(self, scores, p):\n"
        "    return scores / (1 + scores.square().sum(-1).sqrt())[:, None]",
        "gradients",
        ("is not finite on random inputs, length 1, whose last chunk is filled up with zeros",),
    ),
    "a knob without effect": Bad(
        """
        mu = Knob(0.5, low=0.0, high=1.0)

        def write(self, S, dS, slots, p):
            return S + dS + 0.0 * p.mu  # here
        """,
        "gradients",
        ("no gradient reaches mu, so it has no effect",),
    ),
    "a knob without a slope": Bad(
        """
        mu = Knob(0.5, low=0.0, high=1.0)

        def write(self, S, dS, slots, p):
            return S + torch.where(dS > p.mu, dS, 0.5 * dS)  # here
        """,
        "gradients",
        ("no gradient reaches mu",),
    ),
    "a signal without effect": Bad(
        """
        eta = Signal("sigmoid")

        def gate(self, U, p):
            return U * torch.sign(1 + p.eta)[:, None]  # here
        """,
        "gradients",
        ("no gradient reaches eta",),
    ),
    "values that are never read": Bad(
        "def local(self, scores, p):\n    return scores * 0\n"
        "def gate(self, U, p):\n    return U * 0",
        "gradients",
        ("no gradient reaches beta, k, q, v",),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_failed_check_says_what_and_where(name: str, write: Callable[[str], str]) -> None:
    bad = BAD[name]
    path = write(bad.body)
    lines = Path(path).read_text().splitlines()
    line = next((n for n, text in enumerate(lines, start=1) if text.endswith("# here")), None)
    report = check_file(path)
    assert not report.ok
    failed = report.failed
    assert failed is not None
    assert failed.name == bad.check, str(failed)
    assert all(message in failed.message for message in bad.messages), failed.message
    assert "\n" not in failed.message
    if line:
        assert failed.line == line
        assert failed.message.startswith(f"{path}:{line}: ")
    assert failed.message.startswith(f"{path}:")
    assert str(failed) == f"{bad.check}: {failed.message}"
    after = report.results[report.results.index(failed) + 1 :]
    assert all(result.passed is None for result in after)
    with pytest.raises(RuleError) as caught:
        checked_graph(path)
    assert (caught.value.check, str(caught.value)) == (bad.check, failed.message)


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        (
            "a signal read before it is masked",
            ("replacing token 18 changes", "(465 such pairs, through eta)"),
        ),
        ("the decay read before it is masked", ("through decay)",)),
        ("a signal that shows past a threshold", (" by one of 100 changes", "through eta)")),
    ],
)
def test_execution_finds_it_too(
    name: str, messages: tuple[str, ...], write: Callable[[str], str]
) -> None:
    """Whatever the graph says: it does not tell what an engine makes of it."""
    finding = replaced(load_graph(write(BAD[name].body)))
    assert not finding.passed
    assert finding.line
    assert finding.message.startswith("local: looks ahead: of 3")
    assert finding.message.endswith("as in torch.where(causal_mask(scores), x, 0)")
    assert all(message in finding.message for message in messages), finding.message


def test_an_output_that_becomes_nan_has_changed(write: Callable[[str], str]) -> None:
    body = """
    eta = Signal("identity")

    def local(self, scores, p):
        return scores + (scores * torch.exp(p.eta)).amax(-1, keepdim=True)
    """
    finding = replaced(load_graph(write(body)))
    assert "by one of 10000 changes" in finding.message
    assert "by inf (465 such pairs, through eta)" in finding.message


def test_an_engine_that_looks_ahead_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def peeking(*args: Any, **options: Any) -> Any:
        output, state = chunkwise(*args, **options)
        return output + 1e-12 * output.roll(-1, 1), state

    monkeypatch.setattr("archer.check.inputs.chunkwise", peeking)
    assert not causal(builtin_graph("momentum")).passed


@pytest.mark.parametrize(("axis", "what"), [(0, "batch entry"), (2, "head")])
def test_an_engine_that_mixes_sequences_is_found(
    axis: int, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mixing(*args: Any, **options: Any) -> Any:
        output, state = chunkwise(*args, **options)
        return output + 1e-12 * output.mean(axis, keepdim=True), state

    assert independent(builtin_graph("momentum")).passed
    monkeypatch.setattr("archer.check.inputs.chunkwise", mixing)
    finding = independent(builtin_graph("momentum"))
    assert not finding.passed
    assert finding.message == f"a {what} changes with the numbers of another {what}"


def test_one_report_of_an_early_failure(write: Callable[[str], str]) -> None:
    report = check_file(write(BAD["a shape"].body))
    verdicts = {result.name: result.passed for result in report.results}
    read = dict.fromkeys(("imports", "one rule", "knobs", "expectations"), True)
    assert verdicts == dict.fromkeys(CHECKS) | read | {"shapes": False}
    assert report.results[5].message == "not finished: 'shapes' failed"
    assert (report.rule, report.graph) == ("my_rule", None)


def test_files_that_hold_no_rule() -> None:
    folder = Path(__file__).parent / "rules" / "files"
    for name, check in (("two_rules", "one rule"), ("import_error", "imports")):
        failed = check_file(str(folder / f"{name}.py")).failed
        assert failed is not None
        assert failed.name == check
    missing = check_file(str(folder / "missing.py")).failed
    assert missing is not None
    assert missing.message == f"{folder / 'missing.py'}: no such rule file"
    with pytest.raises(ArcherError, match="unknown rule 'momentums': did you mean momentum"):
        check_file("momentums")


GOOD = {
    "momentum by another name": (
        """
        rate = Knob(0.7, low=0.0, high=2.0)
        slots = ("kept",)

        def write(self, S, dS, slots, p):
            step = dS * (1 - p.rate) + slots.kept * p.rate
            return step + S, {"kept": step}
        """,
        "the same mathematics as the built-in rule momentum",
    ),
    "momentum at another chunk size": (
        """
        chunk_size = 16
        mu = Knob(0.9, low=0.0, high=1.0)
        slots = ("m",)

        def write(self, S, dS, slots, p):
            m = p.mu * slots.m + (1 - p.mu) * dS
            return S + m, {"m": m}
        """,
        "the built-in rule momentum with a chunk size of 16",
    ),
    "delta in disguise": (
        """
        mu = Knob(0.5, low=0.0, high=1.0)

        def write(self, S, dS, slots, p):
            return S + 2 * p.mu * dS
        """,
        "with default knobs it behaves exactly as the built-in rule delta",
    ),
    "something new": (
        """
        eta = Signal("sigmoid")
        slots = ("m",)

        def gate(self, U, p):
            return U * p.eta[:, None]

        def local(self, scores, p):
            masked = torch.where(causal_mask(scores), scores + p.eta, 0.0)
            return scores / (1 + masked.abs().sum(-1))[:, None]

        def write(self, S, dS, slots, p):
            m = 0.5 * slots.m + dS
            return S + m / (1 + m.norm()), {"m": m}
        """,
        "equal to no built-in rule",
    ),
    "a reduction over tokens in gate": (
        "def gate(self, U, p):\n    return U - 0.5 * U.mean(0)",
        "equal to no built-in rule",
    ),
    "knobs that act only together": (
        """
        mix = Knob(0.0, low=0.0, high=1.0)
        power = Knob(1.5, low=1.0, high=2.0)

        def write(self, S, dS, slots, p):
            return S + dS + p.mix * (dS * dS + 1e-4) ** p.power
        """,
        "behaves exactly as the built-in rule delta",
    ),
    "one token per chunk": (
        "chunk_size = 1\ndef write(self, S, dS, slots, p):\n    return 0.9 * S + dS",
        "equal to no built-in rule",
    ),
    "nothing but the decay": (
        'forget = Signal("log_decay")',
        "the same mathematics as the built-in rule gated_delta",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_rules_pass_and_are_placed(name: str, write: Callable[[str], str]) -> None:
    body, known = GOOD[name]
    path = write(body)
    report = check_file(path)
    assert report.ok, str(report.failed)
    assert known in report.results[-1].message
    assert checked_graph(path) == report.graph


def test_the_largest_chunk_is_checked_in_seconds(write: Callable[[str], str]) -> None:
    started = time.process_time()  # other processes do not count
    body = "chunk_size = 1024\ndef local(self, scores, p):\n    return causal_softmax(scores)"
    assert check_file(write(body)).ok
    assert time.process_time() - started < 5


def test_a_function_of_sizes_alone_is_a_number(tmp_path):
    file = tmp_path / "sized.py"
    file.write_text(
        "import torch\nfrom archer import Rule\n\n\nclass Sized(Rule):\n"
        "    def write(self, S, dS, slots, p):\n"
        "        return S + torch.sigmoid(S.shape[0] * 0.1) * dS\n"
    )
    assert check_file(str(file)).ok

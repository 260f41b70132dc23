"""What `archer check` says of what a class declares, and which operation it blames."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from archer.check import CheckResult, check_file
from archer.cli.show import show_check

HEAD = "import torch\nfrom archer import Knob, Rule, Signal\n\n\n"


@dataclass
class Bad:
    """A rule file below HEAD, the check that fails at the line that ends with `# here`."""

    text: str
    check: str
    message: str


BAD = {
    "a task misspelt": Bad(
        """
        class Mine(Rule):
            expects = {
                "compression": "same",
                "memorisation": "up",  # here
            }
        """,
        "expectations",
        "expects: unknown task 'memorisation': did you mean memorization? the tasks are",
    ),
    "no word": Bad(
        """
        class Mine(Rule):
            expects = {"compression": "better"}  # here
        """,
        "expectations",
        'expects: compression is \'better\'; write "up", "down" or "same"',
    ),
    "no mapping": Bad(
        """
        class Mine(Rule):
            expects = ["compression"]  # here
        """,
        "expectations",
        "expects must be as",
    ),
    "a built-in rule hidden": Bad(
        """
        class Delta(Rule):  # here
            def write(self, S, dS, slots, p):
                return 0.5 * S + dS
        """,
        "names",
        "named like the built-in rule delta: rename its class",
    ),
    "a peer hidden": Bad(
        """
        class Attention(Rule):  # here
            def write(self, S, dS, slots, p):
                return 0.5 * S + dS
        """,
        "names",
        "named like the peer attention: rename its class",
    ),
    "learned from a bound": Bad(
        """
        class Mine(Rule):
            first = Knob(0.5, low=0.0, high=1.0, learn=True)
            lam = Knob(1.0, low=0.0, high=1.0, learn=True)  # here
        """,
        "knobs",
        "knob lam cannot be learned from its bound 1; start it strictly between 0 and 1",
    ),
    "a hook misspelt": Bad(
        """
        class Mine(Rule):
            def gate(self, U, p):
                return self.writes(U)

            def writes(self, U):
                return 0.5 * U

            def wirte(self, S, dS, slots, p):  # here
                return 0.9 * S + dS
        """,
        "names",
        "wirte is no hook; did you mean write?",
    ),
    "an activation": Bad(
        """
        class Mine(Rule):
            eta = Signal("relu")  # here
        """,
        "imports",
        "py:6: Signal('relu'): activation must be one of",
    ),
    "a product": Bad(
        """
        class Mine(Rule):
            def write(self, S, dS, slots, p):
                return S + dS @ dS  # here
        """,
        "shapes",
        "no matrix product of [d_k, d_v] and [d_k, d_v]; write `@ dS.mT`",
    ),
    "NaN in a helper": Bad(
        """
        def normed(x):
            return x / torch.linalg.norm(x, dim=-1, keepdim=True)  # here


        class Mine(Rule):
            def write(self, S, dS, slots, p):
                return S + 0.5 * normed(dS)
        """,
        "finite",
        "length 1, whose last chunk is filled up with zeros; it begins with `/` in write;",
    ),
    "a harmless infinity before the harmful one": Bad(
        """
        class Mine(Rule):
            def gate(self, U, p):
                safe = torch.where(U == 0.0, 0.0, 1.0 / U)
                lost = torch.log(U)  # here
                return U + 0.01 * torch.tanh(safe) + lost
        """,
        "finite",
        "it begins with `log` in gate;",
    ),
    "a division in local": Bad(
        """
        class Mine(Rule):
            def local(self, scores, p):
                size = scores.abs().sum(-1)
                return scores / size[:, None]  # here
        """,
        "finite",
        "it begins with `/` in local;",
    ),
    "a memory that grows slowly": Bad(
        """
        class Mine(Rule):
            slots = ("m",)

            def write(self, S, dS, slots, p):
                m = 2.0 * slots.m + dS * dS  # here
                return S + dS + 1e-30 * m, {"m": m}
        """,
        "finite",
        "is not finite on random inputs, 4096 tokens; it begins with `*` in write",
    ),
    "a slope in write": Bad(
        """
        class Mine(Rule):
            def write(self, S, dS, slots, p):
                size = torch.sqrt(S * S)  # here
                return S + dS - 0.1 * size
        """,
        "gradients",
        "it begins with `sqrt` in write;",
    ),
    "a slope in local": Bad(
        """
        class Mine(Rule):
            def local(self, scores, p):
                root = scores.square().sum(-1).sqrt()  # here
                return scores / (1 + root)[:, None]
        """,
        "gradients",
        "it begins with `sqrt` in local;",
    ),
}


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str], tuple[CheckResult | None, int | None]]:
    """Text of a rule file -> its first failure, and the line marked in it."""

    def run(text: str) -> tuple[CheckResult | None, int | None]:
        path = tmp_path / "mine.py"
        path.write_text(HEAD + textwrap.dedent(text).lstrip("\n"))
        lines = path.read_text().splitlines()
        marked = (n for n, line in enumerate(lines, start=1) if line.endswith("# here"))
        return check_file(str(path)).failed, next(marked, None)

    return run


@pytest.mark.parametrize("name", BAD)
def test_the_mistake_is_named_at_its_line(name, check) -> None:
    failed, line = check(BAD[name].text)
    assert failed is not None
    assert (failed.name, failed.line) == (BAD[name].check, line), failed.message
    assert BAD[name].message in failed.message


def test_helpers_may_be_named_nearly_like_hooks(check) -> None:
    failed, _ = check(
        """
        class Mine(Rule):
            def gate(self, U, p):
                return self.gated(U)

            def gated(self, U):
                return 0.5 * U

            def gates(self, U):  # beside the hook of that name
                return U

            def _wirte(self, S):
                return S
        """
    )
    assert failed is None


def test_a_built_in_rule_in_a_file_of_its_own_keeps_its_name(check) -> None:
    failed, _ = check(
        """
        class Decay(Rule):
            lam = Knob(0.95, low=0.0, high=1.0)

            def write(self, S, dS, slots, p):
                return p.lam * S + dS
        """
    )
    assert failed is None


def test_what_is_shown_of_a_failure(tmp_path: Path, capsys) -> None:
    path = tmp_path / "mine.py"
    path.write_text(HEAD + "class Mine(Rule):\n    expects = {'copying': 'up'}\n")
    show_check(check_file(str(path)))
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in lines[:4]] == ["ok  "] * 3 + ["FAIL"]
    assert lines[4:] == ["9 checks not run", "", f"{path}: not a valid rule"]

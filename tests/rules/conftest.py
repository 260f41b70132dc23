"""What the rule tests share: a tiny rule from one hook, and a rule file from its text."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archer.rules.base import Knob, Rule, Signal
from archer.rules.graph import RuleGraph
from archer.rules.trace import trace

Hook = Callable[..., Any]


@pytest.fixture
def traced() -> Callable[..., RuleGraph]:
    """(hook, function of its tensors and p) -> graph of a rule with what that function reads."""

    def build(hook: str, function: Hook, slots: tuple[str, ...] = ()) -> RuleGraph:
        def method(self: Rule, *args: Any) -> Any:
            return function(*args)

        names = function.__code__.co_names
        knobs = {name: Knob(0.5, low=0.0, high=2.0) for name in ("a", "b") if name in names}
        signals = {name: Signal("sigmoid") for name in ("eta",) if name in names}
        members = {hook: method, "slots": slots, "__module__": __name__, **knobs, **signals}
        return trace(type("Tiny", (Rule,), members))

    return build


@pytest.fixture
def rule_file(tmp_path: Path) -> Callable[..., Path]:
    """(text of the class body, name) -> path of a rule file with one class around it."""

    def write(body: str, name: str = "my_rule", base: str = "Rule") -> Path:
        head = "import math\nimport torch\n"
        head += "from archer import Knob, Rule, Signal, causal_mask, causal_softmax\n"
        path = tmp_path / f"{name}.py"
        body = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        path.write_text(f"{head}class MyRule({base}):\n{body}\n")
        return path

    return write

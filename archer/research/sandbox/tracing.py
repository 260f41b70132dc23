"""The job of a confined process that runs a rule's source: out comes its graph, as data."""

import linecache
import sys
import traceback
from types import ModuleType
from typing import Any

from archer.research.sandbox.child import Send
from archer.rules.base import RuleError

MODULE = "archer_proposed_rule"


def prepare(data: dict[str, Any]) -> None:
    """Import what the rule file may import, while files can still be opened.

    torch takes a second, and many rules do without: it is there only for those that mention it.
    """
    import dataclasses  # noqa: F401
    import math  # noqa: F401
    import unicodedata  # noqa: F401  the parser does, for names that are not ASCII

    import archer
    import archer.rules.functions

    for name in ("Knob", "Rule", "Signal", "causal_mask", "causal_softmax"):
        getattr(archer, name)
    trace_source(_WARM_UP, "warm_up.py")
    if any(word in data["source"] for word in ("torch", "causal_softmax")):
        import torch

        torch.set_num_threads(1)
        trace_source(_WARM_UP_TORCH, "warm_up.py")


def work(data: dict[str, Any], send: Send) -> None:
    """Trace the source; the answer is its graph, or the first thing wrong with it."""
    try:
        send({"graph": trace_source(data["source"], data["file"])})
    except RuleError as error:
        send({"error": error.reason, "check": error.check, "line": error.line})


def trace_source(source: str, file: str) -> dict[str, Any]:
    """JSON of the graph of the one rule in a source text. Raises RuleError."""
    from archer.rules.load import only_rule
    from archer.rules.trace import trace

    # so that lines are found without a file
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = ModuleType(MODULE)
    module.__file__ = file
    sys.modules[MODULE] = module
    _execute(source, module, file)
    return trace(only_rule(MODULE, vars(module), file)).to_json()


def _execute(source: str, module: ModuleType, file: str) -> None:
    try:
        exec(compile(source, file, "exec", dont_inherit=True), vars(module))
    except SyntaxError as error:
        message, line = f"syntax error: {error.msg}", error.lineno
        raise RuleError(message, check="imports", line=line, file=file) from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == file), None)
        reason = str(error).splitlines()[0] if str(error) else ""
        message = f"does not import: {type(error).__name__}: {reason}"
        raise RuleError(message, check="imports", line=line, file=file) from error


# Take the paths of tracing once, for what they import only when they are first taken.
_WARM_UP = """
import math
import typing
from archer import Knob, Rule, Signal

class WarmUp(Rule):
    mu = Knob(0.9, low=0.0, high=1.0)
    eta = Signal("sigmoid")
    slots = ("m",)

    def gate(self, U, p):
        return U * p.eta[:, None]

    def write(self, S, dS, slots, p):
        m = p.mu * slots.m + dS / dS.norm().clamp(min=1.0)
        return S + math.pi * m, {"m": m}
"""
_WARM_UP_TORCH = """
import torch
from archer import Rule, causal_softmax

class WarmUp(Rule):
    def gate(self, U, p):
        return torch.nn.functional.softplus(U) / torch.linalg.norm(U).clamp(min=1.0)

    def local(self, scores, p):
        return causal_softmax(scores)
"""

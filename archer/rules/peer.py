"""Peers: layers that stand beside the rules in a table, without graph, chunks, knobs or hooks.

`attention` is causal softmax attention, `fla:NAME(option=value, ...)` any layer of
flash-linear-attention.
"""

import ast
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from archer.errors import ArcherError
from archer.rules.graph import KnobSpec, RuleGraph, SignalSpec, rule_from_json

ATTENTION = "attention"
FLA = "fla:"
FORMAT = 1

Option = bool | int | float | str | None
_REFERENCE = re.compile(r"(attention|fla:\w+)(?:\((.*)\))?", re.DOTALL)
_TEXT = re.compile(r"[\w.+-]*")


@dataclass(frozen=True)
class Peer:
    """A layer by name, with options sorted by name; in a plan it takes the place of a rule graph.

    layer: "attention", or "fla:" and the name of a class in `fla.layers`.
    """

    layer: str
    options: tuple[tuple[str, Option], ...] = ()

    # what a plan asks of a rule; 0: there are no chunks
    knobs: ClassVar[tuple[KnobSpec, ...]] = ()
    signals: ClassVar[tuple[SignalSpec, ...]] = ()
    slots: ClassVar[tuple[str, ...]] = ()
    chunk_size: ClassVar[int] = 0

    @property
    def name(self) -> str:
        """As it is written: "fla:GatedLinearAttention(expand_k=1.0)"."""
        options = ", ".join(f"{name}={value!r}" for name, value in self.options)
        return f"{self.layer}({options})" if options else self.layer

    @property
    def side_by_side(self) -> bool:
        """Whether its members are computed together, along a population axis."""
        return self.layer == ATTENTION

    @property
    def about(self) -> str:
        """What it is, in one line."""
        if self.layer == ATTENTION:
            return "Attention: causal softmax attention with rotary embedding over the whole past."
        return f"{self.layer.removeprefix(FLA)}: a layer of flash-linear-attention."

    @property
    def note(self) -> str | None:
        """What to know before it is trained."""
        if self.side_by_side:
            return None
        return (
            f"{self.name} has no population axis: its members train one after the other in each "
            "step"
        )

    def knob(self, name: str) -> KnobSpec:
        """Raises KeyError: a peer has no knobs."""
        raise KeyError(name)

    def effective(self, length: int) -> "Peer":
        """Itself: no part of a peer falls away on short sequences."""
        return self

    def with_chunk_size(self, chunk_size: int) -> "Peer":
        """Itself: it has no chunks."""
        return self

    @cached_property
    def rule_hash(self) -> str:
        """Hash of layer and options, where a rule has that of its mathematics."""
        text = json.dumps({"peer": FORMAT, "layer": self.layer, "options": self.options})
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps`."""
        options = [list(option) for option in self.options]
        return {"peer": FORMAT, "layer": self.layer, "options": options}


Contender = RuleGraph | Peer  # what a row of a table stands for


def is_peer(reference: str) -> bool:
    """Whether a reference means a peer, well written or not, and no rule."""
    return reference.partition("(")[0] == ATTENTION or reference.startswith(FLA)


def parse_peer(reference: str) -> Peer:
    """The peer that "attention" or "fla:NAME(option=value, ...)" means; values are literals.

    Raises ArcherError for anything else. Whether fla has the layer is seen when it is made.
    """
    found = _REFERENCE.fullmatch(reference.strip())
    if found is None:
        raise ArcherError(
            f"{reference!r} names no peer: write attention, fla:NAME or fla:NAME(option=value), "
            "for example 'fla:GatedLinearAttention(expand_k=1.0)'"
        )
    layer, options = found[1], _options(reference, found[2] or "")
    if layer == ATTENTION and options:
        raise ArcherError("attention has no options: write attention alone")
    return Peer(layer, tuple(sorted(options.items())))


def contender_from_json(data: Mapping[str, Any]) -> Contender:
    """The rule graph or peer that `to_json` wrote. Raises ArcherError if it could not have."""
    if "peer" not in data:
        return rule_from_json(data)
    if data["peer"] != FORMAT:
        raise ArcherError(f"peer of format {data['peer']}; this version reads {FORMAT}")
    try:
        options = ", ".join(f"{name}={value!r}" for name, value in data["options"])
        return parse_peer(f"{data['layer']}({options})")
    except (KeyError, TypeError, ValueError) as error:
        raise ArcherError(f"not a peer: {error!r}") from error


def _options(reference: str, text: str) -> dict[str, Option]:
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise _bad(reference)
        options = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _bad(reference) from error
    if len(options) < len(call.keywords) or not all(map(_is_option, options.values())):
        raise _bad(reference)
    return options


def _is_option(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):  # names of functions and modes; tables and reports show them
        return _TEXT.fullmatch(value) is not None
    return value is None or isinstance(value, bool | int)


def _bad(reference: str) -> ArcherError:
    return ArcherError(
        f"{reference!r}: options are written name=value, separated by commas, and a value is a "
        "number, True, False, None or a quoted word"
    )

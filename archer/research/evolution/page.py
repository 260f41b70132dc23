"""A rule file being written: docstring with numbered equations, imports, declarations, hooks."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from archer.research.evolution.genome import Genome
from archer.research.evolution.parts import Part

WIDTH = 100
_HEADS = {
    "gate": "def gate(self, U, p):  # U: [C, d_v]",
    "local": "def local(self, scores, p):  # scores: [C, C]",
    "write": "def write(self, S, dS, slots, p):  # [d_k, d_v] each",
}
_NAMES = ("Knob", "Rule", "Signal", "causal_mask", "causal_softmax")


@dataclass
class Page:
    """What has been written so far. functions: of module level, each as its lines."""

    equations: list[str] = field(default_factory=list)
    hooks: dict[str, list[str]] = field(default_factory=dict)
    functions: list[list[str]] = field(default_factory=list)
    declarations: list[str] = field(default_factory=list)

    def add(self, hook: str, equation: str, code: str) -> None:
        """An equation and the statement that computes it."""
        self.equations.append(equation)
        self.code(hook, f"{code}  # Eq. ({len(self.equations)})")

    def code(self, hook: str, line: str) -> None:
        """A line of a hook without an equation."""
        self.hooks.setdefault(hook, []).append(line)

    def part(self, hook: str, part: Part, code: str = "", symbol: str = "") -> tuple[str, str]:
        """Writes a part's lines on an input; returns its result as code and as a symbol."""
        for line in part.kind.lines:
            equation = filled(line.equation, part, code, symbol)
            self.add(hook, equation, filled(line.code, part, code, symbol))
        kind = part.kind
        return filled(kind.result, part, code, symbol), filled(kind.symbol, part, code, symbol)

    def text(self, headline: str, paragraph: str, last: str, name: str, genome: Genome) -> str:
        """The whole file; the docstring is a headline, a paragraph, the equations, a last one."""
        code = [line for function in self.functions for line in [*function, "", ""]]
        code += [f"class {class_name(name)}(Rule):", *_indented(self._body())]
        constants = _constants(genome)
        doc = _docstring(headline, paragraph, self.equations, last)
        return "\n".join(
            [*doc, "", *_imports(code), *constants, *[""] * bool(constants), "", *code, ""]
        )

    def _body(self) -> list[str]:
        lines = list(self.declarations)
        for hook, body in self.hooks.items():
            lines += ["", _HEADS[hook], *_indented(body)]
        return (lines if self.declarations else lines[1:]) or ["chunk_size = 32"]


def filled(template: str, part: Part, code: str = "", symbol: str = "") -> str:
    """A template with its input and numbers in place: p.mu where learned, else the constant."""
    for name, number in part.named().items():
        template = template.replace(f"{{{name}}}", f"p.{name}" if number.learn else name.upper())
    return template.replace("{x}", code).replace("{X}", symbol)


def class_name(name: str) -> str:
    """gated_momentum2 -> GatedMomentum2."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def title(name: str) -> str:
    """A rule's name for a headline: "gated_momentum" -> "Gated momentum"."""
    return name.replace("_", " ").capitalize()


def sentences(genome: Genome) -> str:
    """What each part does, a sentence each."""
    said = [part.kind.phrase for _, part in genome.parts]
    return " ".join(f"{each[:1].upper()}{each[1:]}." for each in said)


def declared(genome: Genome) -> list[str]:
    """Lines that declare the learned knobs and the signals of a genome."""
    lines = []
    for _, part in genome.parts:
        for bounds, number in zip(part.kind.ranges, part.numbers, strict=True):
            if number.learn:
                flags = "learn=True, log=True" if bounds.log else "learn=True"
                limits = f"low={bounds.low!r}, high={bounds.high!r}"
                lines.append(f"{bounds.name} = Knob({number.value!r}, {limits}, {flags})")
        lines += [f'{name} = Signal("{activation}")' for name, activation in part.kind.signals]
    return lines


def slots_of(genome: Genome) -> list[str]:
    """Names of the slots that its parts use."""
    return [slot for _, part in genome.parts for slot in part.kind.slots]


def closing(slots: Sequence[str], chunk_size: int) -> list[str]:
    """The last declarations: slots and a chunk size, where they are not DeltaNet's."""
    listed = ", ".join(f'"{slot}"' for slot in slots)
    lines = [f"slots = ({listed}{',' * (len(slots) == 1)})"] if slots else []
    return lines + [f"chunk_size = {chunk_size}"] * (chunk_size != 32)


def _constants(genome: Genome) -> list[str]:
    return [
        f"{name.upper()} = {number.value!r}"
        for _, part in genome.parts
        for name, number in part.named().items()
        if not number.learn
    ]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _imports(code: Sequence[str]) -> list[str]:
    text = "\n".join(code)
    names = [name for name in _NAMES if re.search(rf"\b{name}\b", text)]
    torch = ["import torch", ""] if "torch." in text else []
    math = ["import math", ""] if "math." in text else []
    return [*math, *torch, f"from archer import {', '.join(names)}", ""]


def _docstring(headline: str, paragraph: str, equations: Sequence[str], last: str) -> list[str]:
    width = min(max(map(len, equations), default=0) + 6, WIDTH - 14)
    numbered = [f"    {e.ljust(width)}  ({n})" for n, e in enumerate(equations, start=1)]
    blocks = [[f'"""{headline}'], textwrap.wrap(paragraph, WIDTH), numbered]
    blocks.append(textwrap.wrap(last.strip(), WIDTH))
    lines = [line for block in blocks if block for line in [*block, ""]]
    return [*lines[:-1], '"""']

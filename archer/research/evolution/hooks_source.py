"""Any rule's hooks as functions of a rule file, written from its graph.

So a rule that is no genome (a person's, a language model's, a mixture) can be changed around its
hooks, or mixed with another one, without its source ever being run here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from archer.rules.graph import HOOKS, KnobSpec, RuleGraph, SignalSpec
from archer.rules.torch_source import hook_arguments, hook_body, variable

DECAY = "decay"  # there is one log-decay for a whole rule, whoever brings it
_INPUTS = {"gate": ("U",), "local": ("scores",), "write": ("S", "dS")}
_SIZES = {
    "gate": {"C": "U.shape[0]", "d_v": "U.shape[1]"},
    "local": {"C": "scores.shape[1]"},
    "write": {"d_k": "S.shape[0]", "d_v": "S.shape[1]"},
}


@dataclass(frozen=True)
class Borrowed:
    """A rule to take hooks from. prefix: begins its functions' names. renamed: its knobs, signals
    and slots under names that no other part of the new rule uses. values: knobs set by its author.
    """

    graph: RuleGraph
    prefix: str
    renamed: Mapping[str, str]
    values: Mapping[str, float]

    def has(self, hook: str) -> bool:
        """Whether the hook is not DeltaNet's."""
        return not self.graph.is_default(hook)

    def call(self, hook: str) -> str:
        """The call of a hook, or DeltaNet's own expression."""
        if not self.has(hook):
            return {"gate": "U", "local": "scores", "write": "S + dS"}[hook]
        arguments = [*_INPUTS[hook], *(["slots"] if self._uses_slots(hook) else []), "p"]
        return f"{self.prefix}_{hook}({', '.join(arguments)})"

    def _uses_slots(self, hook: str) -> bool:
        return hook == "write" and bool(self.graph.slots)

    @property
    def slots(self) -> list[str]:
        """Its slots under their new names."""
        return [self.renamed[slot] for slot in self.graph.slots]

    def declarations(self) -> list[str]:
        """Lines that declare its knobs and signals, the decay apart."""
        knobs = [self._knob(knob) for knob in self.graph.knobs]
        return knobs + [self._signal(s) for s in self.graph.signals if s.name != self.graph.decay]

    def _knob(self, knob: KnobSpec) -> str:
        value = self.values.get(knob.name, knob.default)
        flags = ", learn=True" * knob.learn + ", log=True" * knob.log
        name = self.renamed[knob.name]
        return f"{name} = Knob({value!r}, low={knob.low!r}, high={knob.high!r}{flags})"

    def _signal(self, signal: SignalSpec) -> str:
        return f'{self.renamed[signal.name]} = Signal("{signal.activation}")'

    def symbol(self, hook: str) -> str:
        """The hook's result in an equation."""
        return f"{self.prefix}_{hook}" if self.has(hook) else self.call(hook)

    def functions(self) -> list[list[str]]:
        """The changed hooks, each as the lines of a function."""
        return [self._function(hook) for hook in HOOKS if self.has(hook)]

    def _function(self, hook: str) -> list[str]:
        lines, results = hook_body(self.graph.hook(hook))
        body = list(map(_readable, lines))
        values = dict(zip(self._outputs(hook), map(_readable, results), strict=True))
        first = values.pop("")
        slots = ", ".join(f'"{slot}": {text}' for slot, text in values.items())
        if slots and len(first) + len(slots) > 76:
            body.append(f"S = {first}")
            first = "S"
        body.append(f"return {first}, {{{slots}}}" if slots else f"return {first}")
        masks = (
            ["causal = causal_mask(scores)"] if re.search(r"\bcausal\b", "\n".join(body)) else []
        )
        body = [*self._prologue(hook), *masks, *body]
        return [f"def {self.call(hook)}:", *(f"    {line}" for line in body)]

    def _outputs(self, hook: str) -> list[str]:
        """Slots by their new names, and "" for what the hook itself returns."""
        names = (name for name, _ in self.graph.hook(hook).outputs)
        return [self.renamed.get(name.removeprefix("slots."), "") for name in names]

    def _prologue(self, hook: str) -> list[str]:
        """Reads what the graph calls by plain names out of p, slots and shapes."""
        graph = self.graph.hook(hook)
        given: dict[str, str] = {}
        for name in sorted(graph.inputs):
            kind, _, bare = name.rpartition(".")
            if kind in ("knob", "signal"):
                given[bare] = f"p.{self.renamed[bare]}" + "[None, :]" * (kind == "signal")
            elif kind == "slots":
                given[bare] = f"slots.{self.renamed[bare]}"
            elif name == "step":
                given[name] = "p.step"
        lines = [line for start in ("p.", "slots.") for line in _assigned(given, start)]
        arguments = hook_arguments(graph)
        sizes = self._sizes(hook).items()
        return lines + [f"{size} = {text}" for size, text in sizes if size in arguments]

    def _sizes(self, hook: str) -> dict[str, str]:
        sizes = dict(_SIZES[hook])
        if hook == "write":  # only a signal knows how many tokens there are
            names = [n for n in sorted(self.graph.write.inputs) if n.startswith("signal.")]
            if names:
                sizes["C"] = f"{variable(names[0])}.shape[1]"
        return sizes


def _assigned(given: Mapping[str, str], start: str) -> list[str]:
    """Assignments of what begins with `start`, four to a line."""
    chosen = [(name, text) for name, text in given.items() if text.startswith(start)]
    rows = [chosen[at : at + 4] for at in range(0, len(chosen), 4)]
    return [", ".join(n for n, _ in row) + " = " + ", ".join(t for _, t in row) for row in rows]


_CAUSAL_SOFTMAX = re.compile(r"torch\.softmax\(torch\.where\(causal, (.*?), -1e\+30\), dim=-1\)")


def _readable(line: str) -> str:
    """Numbers to twelve digits, and roots of sizes as torch's: `1 - 0.9` is written 0.1."""
    line = line.replace("math.sqrt(", "torch.sqrt(")
    line = re.sub(r"(^|\(|= |\+ )1 \* ", r"\1", line)
    line = re.sub(r"(?<=[/*] )\((\w+)\)", r"\1", line)
    line = _CAUSAL_SOFTMAX.sub(r"causal_softmax(\1)", line)
    return re.sub(r"\d+\.\d{13,}(?!\d|e)", lambda m: f"{float(m[0]):.12g}", line)


def borrowed(
    graph: RuleGraph, prefix: str, taken: set[str], values: Mapping[str, float] | None = None
) -> Borrowed:
    """A rule to take hooks from; `taken` are names in use, to which its own are added."""
    renamed = {graph.decay: DECAY} if graph.decay else {}
    own = [*(k.name for k in graph.knobs), *(s.name for s in graph.signals), *graph.slots]
    for name in own:
        if name == graph.decay:
            continue
        new, count = name, 2
        while new in taken:
            new, count = f"{name}{count}", count + 1
        taken.add(new)
        renamed[name] = new
    return Borrowed(graph, prefix, renamed, values or {})

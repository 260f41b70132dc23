"""Export in the convention of flash-linear-attention's `ops/delta_rule/naive.py`.

One function `delta_rule_chunkwise(q, k, v, beta, chunk_size)` on [batch, heads, length, dim], with
the rule's changed hooks as small functions above it.
"""

import textwrap

from archer.rules.graph import HOOKS, RuleGraph
from archer.rules.torch_source import hook_arguments, hook_body

WIDTH = 100

_HEAD = '''"""{doc}

{about}
"""

{imports}


'''

_ABOUT = (
    "Exported by Archer from the rule `{name}`, in the convention of `ops/delta_rule/naive.py` "
    "of flash-linear-attention; needs PyTorch alone."
)

_KNOB = '''def _knob(value, like):
    """A number, or a tensor that broadcasts to [batch, heads], as [batch | 1, heads | 1, 1, 1]."""
    value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    return value.view((1,) * (2 - value.ndim) + value.shape)[..., None, None]


'''

_HOOK_DOC = {
    "gate": "What the chunk wants to write, [chunk, d_v]; reading uses the ungated U.",
    "local": "Weights inside the chunk, [chunk, chunk], from scores that are 0 above the diagonal.",
    "write": "The memory after the chunk{slots}: [d_k, d_v] each.",
}

_MAIN_DOC = '''    """Output [batch, heads, length, d_v] and final state [batch, heads, d_k, d_v].

    q, k: [batch, heads, length, d_k], L2-normalised by the caller (q is scaled by d_k ** -0.5
    here); v: [batch, heads, length, d_v]; {per_token}: [batch, heads, length].{more}
    Computes in fp32, or fp64 for fp64 inputs. Raises ValueError unless the length is a multiple
    of chunk_size.
    """
'''

# Everything the body below names beside its arguments; a knob may carry one of these names too.
_LOCALS = {"A", "D", "G", "U0", "W", "batch", "beta_n", "dtype", "heads", "k_n", "length", "n"}
_LOCALS |= {"now", "outputs", "q_n", "right", "slots", "start", "v_n", "weights"}


def fla_naive(rule: RuleGraph, doc: str) -> str:
    """Source text of the exported file."""
    changed = [hook for hook in HOOKS if not rule.is_default(hook)]
    code = (_KNOB if rule.knobs else "") + "".join(_hook(rule, hook) for hook in changed)
    code += _signature(rule) + _main_doc(rule) + _body(rule)
    imports = ["import math"] if "math." in code else []
    text = _HEAD.format(
        doc=_escaped(doc.strip()) or f"The memory update rule `{rule.name}`.",
        about=textwrap.fill(_ABOUT.format(name=rule.name), width=WIDTH, break_on_hyphens=False),
        imports="\n".join([*imports, "", "import torch"] if imports else ["import torch"]),
    )
    return text + code


def _escaped(doc: str) -> str:
    return doc.replace("\\", "\\\\").replace('"""', "'''")


def _hook(rule: RuleGraph, hook: str) -> str:
    graph = rule.hook(hook)
    lines, results = hook_body(graph)
    slots = ", then " + ", ".join(rule.slots) if rule.slots else ""
    body = [f'"""{_HOOK_DOC[hook].format(slots=slots)}"""', *lines]
    body.append(f"return {', '.join(results)}")
    head = _call(f"def _{hook}", ["*", *hook_arguments(graph)], indent=0)
    return "\n".join([f"{head}:", *(f"    {line}" for line in body), "", "", ""])


def _signals(rule: RuleGraph) -> list[str]:
    return [signal.name for signal in rule.signals if signal.name != rule.decay]


def _signature(rule: RuleGraph) -> str:
    arguments = ["q", "k", "v", "beta", *(["g"] if rule.decay else [])]
    arguments.append(f"chunk_size={rule.chunk_size}")
    own = _signals(rule) + [f"{knob.name}={knob.default}" for knob in rule.knobs]
    arguments += ["*", *own] if own else []
    return _call("def delta_rule_chunkwise", arguments, indent=0) + ":\n"


def _main_doc(rule: RuleGraph) -> str:
    more = [f"{s.name} ({s.activation}): [batch, heads, length]." for s in rule.signals]
    if rule.decay:
        more = [text for text in more if not text.startswith(f"{rule.decay} ")]
    if rule.knobs:
        names = ", ".join(knob.name for knob in rule.knobs)
        more.append(f"{names}: numbers, or tensors that broadcast to [batch, heads].")
    lines = "".join(f"\n    {line}" for line in more)
    per_token = "beta, g (log-decay <= 0)" if rule.decay else "beta"
    return _MAIN_DOC.format(per_token=per_token, more=lines)


def _call(name: str, arguments: list[str], indent: int) -> str:
    """name(arguments) on one line if it fits at that indent, else one argument per line."""
    line = f"{name}({', '.join(arguments)})"
    if indent + len(line) < WIDTH:
        return line
    lines = [f"    {argument}," for argument in arguments]
    return "\n".join([f"{name}(", *lines, ")"])


def _body(rule: RuleGraph) -> str:
    return _prepare(rule) + _chunk(rule) + "    return torch.cat(outputs, dim=2).to(v.dtype), S\n"


def _prepare(rule: RuleGraph) -> str:
    """Everything before the loop over chunks."""
    signals = [_own(name) for name in _signals(rule)]
    per_token = ["q", "k", "beta", *(["g"] if rule.decay else []), *signals]
    knobs = [_own(knob.name) for knob in rule.knobs]
    lines = [
        *(f"{name} = {name[1:]}" for name in signals + knobs if name.startswith("_")),
        "batch, heads, length, d_k = q.shape",
        "d_v = v.shape[-1]",
        "if not length or length % chunk_size:",
        '    raise ValueError(f"length {length} does not divide into chunks of {chunk_size}")',
        "dtype = torch.float64 if q.dtype == torch.float64 else torch.float32",
        *(f"{name} = {name}.to(dtype)" for name in per_token),
        "q = q * d_k**-0.5",
        *(f"{name} = _knob({name}, q)" for name in knobs),
        "causal = torch.ones(chunk_size, chunk_size, dtype=torch.bool, device=q.device).tril()",
        "S = q.new_zeros(batch, heads, d_k, d_v)",
    ]
    if rule.slots:
        slots = ", ".join(f'"{slot}": torch.zeros_like(S)' for slot in rule.slots)
        lines.append(f"slots = {{{slots}}}")
    lines.append("outputs = []")
    return _indented(lines, 4)


def _chunk(rule: RuleGraph) -> str:
    """The loop over chunks."""
    decay = rule.decay is not None
    lines = [
        "now = slice(start, start + chunk_size)",
        "q_n, k_n, v_n, beta_n = q[:, :, now], k[:, :, now], v[:, :, now], beta[:, :, now, None]",
        "v_n = v_n.to(dtype)",
        "A = (beta_n * (k_n @ k_n.mT)).tril(-1)",
        "right = torch.cat([beta_n * v_n, beta_n * k_n], dim=-1)",
        "scores = (q_n @ k_n.mT).masked_fill(~causal, 0.0)",
    ]
    if decay:
        lines[3:] = [
            "G = g[:, :, now, None].cumsum(2)",
            "# masked before exp: above the diagonal it would overflow",
            "D = (G - G.mT).masked_fill(~causal, -torch.inf).exp()",
            "A = (beta_n * (k_n @ k_n.mT) * D).tril(-1)",
            "right = torch.cat([beta_n * v_n, beta_n * G.exp() * k_n], dim=-1)",
            "scores = (q_n @ k_n.mT).masked_fill(~causal, 0.0) * D",
        ]
    lines += [
        "# (I + A)^-1 by substitution, which stays exact where keys repeat",
        "right = torch.linalg.solve_triangular(A, right, upper=False, unitriangular=True)",
        "U0, W = right.split([d_v, d_k], dim=-1)",
        "U = U0 - W @ S",
        *_read(rule),
    ]
    if not rule.is_default("gate"):
        lines.append(f"U = {_hook_call(rule, 'gate')}")
    if decay:
        lines.append("dS = ((G[:, :, -1:] - G).exp() * k_n).mT @ U")
        lines.append("S = G[:, :, -1:].exp() * S")
    else:
        lines.append("dS = k_n.mT @ U")
    lines.append(_write(rule))
    head = "for n, start in enumerate(range(0, length, chunk_size)):"
    if not any("step" in rule.hook(hook).inputs for hook in HOOKS):
        head = "for start in range(0, length, chunk_size):"
    else:
        lines.insert(0, "step = q.new_full((1, 1), n + 1.0)")
    return _indented([head], 4) + _indented(lines, 8)


def _read(rule: RuleGraph) -> list[str]:
    q_n = "G.exp() * q_n" if rule.decay else "q_n"
    if rule.is_default("local"):
        return [f"outputs.append({q_n} @ S + scores @ U)"]
    call = _hook_call(rule, "local")
    if "scores" not in rule.local.inputs:  # weights by the mask alone
        call += ".to(dtype)"
    return [
        f"weights = {call}",
        f"outputs.append({q_n} @ S + weights.masked_fill(~causal, 0.0) @ U)",
    ]


def _write(rule: RuleGraph) -> str:
    if rule.is_default("write"):
        return "S = S + dS"
    names = (name for name, _ in rule.write.outputs)
    targets = ", ".join(_variable(rule, name) for name in names)
    return f"{targets} = {_hook_call(rule, 'write')}"


def _hook_call(rule: RuleGraph, hook: str) -> str:
    """The call of a hook's function inside the loop."""
    graph = rule.hook(hook)
    values = {name.rpartition(".")[2]: _variable(rule, name) for name in graph.inputs}
    values |= {"C": "float(chunk_size)", "d_k": "float(d_k)", "d_v": "float(d_v)"}
    values["causal"] = "causal"
    return _call(f"_{hook}", [f"{name}={values[name]}" for name in hook_arguments(graph)], 36)


def _variable(rule: RuleGraph, name: str) -> str:
    """What an input or output of a hook is called inside the loop."""
    kind, _, bare = name.rpartition(".")
    if kind == "slots":
        return f'slots["{bare}"]'
    if kind == "signal":
        return f"{'g' if bare == rule.decay else _own(bare)}[:, :, None, now]"
    return _own(bare) if kind == "knob" else bare


def _indented(lines: list[str], indent: int) -> str:
    pad = " " * indent
    return "".join(f"{pad}{line}\n" for line in "\n".join(lines).split("\n"))


def _own(name: str) -> str:
    """A knob or signal inside the function, where the function's own names come first."""
    return f"_{name}" if name in _LOCALS else name

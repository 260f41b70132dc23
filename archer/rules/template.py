"""The file that `archer new` writes: a working rule to start from."""

import textwrap
from pathlib import Path

from archer.errors import ArcherError
from archer.files import write_whole
from archer.rules.base import snake_case
from archer.rules.load import BUILTIN
from archer.rules.peer import is_peer
from archer.rules.validate import is_plain_name

WORDS = ("rule", "knob", "signal")  # their classes would hide archer's own

_TEMPLATE = '''"""{title}: what this rule changes, in one line.

    m_n = mu * m_{{n-1}} + dS_n         (1)
    S_n = S_{{n-1}} + m_n               (2)

Where the idea comes from. A rule is pure mathematics on one head and one chunk of C tokens: no
batches, heads or devices. Check it with `archer check {name}.py`, then train it beside another
with `archer bench delta {name}.py`.
"""

from archer import Knob, Rule


class {class_name}(Rule):
    # A number of the rule, read as p.mu: fixed at its default, swept with --set {name}.mu=...,
    # or trained with learn=True, always inside its bounds.
    mu = Knob(0.5, low=0.0, high=1.0)

    # Extra memories shaped like S, read as slots.m: zero at the start of a sequence.
    slots = ("m",)

    # Tokens per step of the memory; it is part of what the rule means.
    chunk_size = 32

    def write(self, S, dS, slots, p):
        """The memory after a chunk: S, dS, slots.m: [d_k, d_v]; p.mu: a scalar."""
        m = p.mu * slots.m + dS  # Eq. (1)
        return S + m, {{"m": m}}  # Eq. (2); without slots: return S + dS

    # The two other hooks; leave them out to keep DeltaNet's.
    #
    # def gate(self, U, p):
    #     """What the chunk wants to write, U: [C, d_v], one row per token; also [C, d_v]."""
    #     return U
    #
    # def local(self, scores, p):
    #     """How tokens of one chunk read each other, scores: [C, C], zero above the diagonal.
    #
    #     Sums may run over keys (dim=-1), never over queries: those would look ahead. What holds
    #     later tokens' signals, x = scores + p.eta, is masked before it is summed:
    #     torch.where(causal_mask(scores), x, 0)
    #     """
    #     return causal_softmax(scores)       # from archer import causal_softmax
    #
    # A number per token and head, from the hidden state, is a signal: declare
    #     eta = Signal("sigmoid")             # from archer import Signal
    # (or "softplus", "tanh", "identity") and read p.eta, a [C] vector: p.eta[:, None] * U.
    # decay = Signal("log_decay") makes the memory decay at every token, as in Gated DeltaNet.
    # p.step is the number of the chunk, from 1.
    #
    # Hooks may use + - * / ** @, comparisons, U.shape, x[:, None], and of torch:
{operations}
'''


def rule_template(name: str) -> str:
    """Text of a starting file for the rule `name`; it passes `archer check` as it is.

    Raises ArcherError for a name that cannot be a rule's.
    """
    class_name = _class_name(name)
    from archer.rules.functions import ALLOWED

    listed = textwrap.wrap(", ".join(sorted(ALLOWED)), width=90)
    operations = "\n".join(f"    #     {line}" for line in listed)
    title = name.replace("_", " ").capitalize()
    return _TEMPLATE.format(title=title, name=name, class_name=class_name, operations=operations)


def write_template(name: str, folder: Path) -> Path:
    """Write NAME.py into a folder, which is made if need be; returns its path.

    Raises ArcherError for a bad name, a file that exists already (nothing is ever overwritten),
    or a folder that cannot be written.
    """
    text = rule_template(name)
    path = folder / f"{name}.py"
    if path.exists():
        raise ArcherError(f"{path} exists already; choose another name or remove it first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArcherError(
            f"cannot make the folder {folder}: {error.strerror or error}; choose another with "
            "--folder"
        ) from error
    return write_whole(path, text)


def _class_name(name: str) -> str:
    """my_rule -> MyRule, if that reads back as my_rule."""
    if name in BUILTIN:
        raise ArcherError(f"{name!r} is a built-in rule; choose another name")
    if is_peer(name):
        raise ArcherError(f"{name!r} names a peer of the rules; choose another name")
    if name in WORDS:
        raise ArcherError(f"{name!r} is a word of archer's own; choose another name")
    class_name = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    fits = is_plain_name(name) and name.islower() and class_name.isidentifier()
    if not fits or snake_case(class_name) != name:
        raise ArcherError(
            f"{name!r} cannot be a rule's name; use lower-case words joined by _, as in my_rule"
        )
    return class_name

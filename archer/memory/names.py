"""What generated kernels call a rule's own knobs, signals and slots.

These names end in two underscores; what the kernels make of them (`_ptr`, strides `_n`, `_t`, `_h`)
and all other names do not. So a rule may call a slot `T` and its signals `eta` and `eta_t`.
"""


def knob(name: str) -> str:
    return f"knob_{name}__"


def signal(name: str) -> str:
    return f"signal_{name}__"


def slot(name: str) -> str:
    return f"slot_{name}__"


def slot_bar(name: str) -> str:
    """The adjoint of a slot."""
    return f"bar_{name}__"


def knob_sum(name: str) -> str:
    """The sum that becomes a knob's gradient."""
    return f"sum_{name}__"

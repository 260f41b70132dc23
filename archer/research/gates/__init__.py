"""Gates: what a proposed rule must pass before anything is trained, cheapest first."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archer.research.gates.known import Known as Known
    from archer.research.gates.known import known_rules as known_rules
    from archer.research.gates.order import GATES as GATES
    from archer.research.gates.order import SECONDS as SECONDS
    from archer.research.gates.passing import gate as gate

# Names are imported on first use, so that the process that only reads source need not wait for
# torch.
_WHERE = {
    "GATES": "archer.research.gates.order",
    "SECONDS": "archer.research.gates.order",
    "Known": "archer.research.gates.known",
    "gate": "archer.research.gates.passing",
    "known_rules": "archer.research.gates.known",
}

__all__ = [*_WHERE]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'archer.research.gates' has no attribute {name!r}")

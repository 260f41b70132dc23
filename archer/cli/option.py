"""How an option is declared: `tyro.conf.arg`, with a default named only where there is one."""

import tyro.conf


def arg(*, help: str, metavar: str | None = None, name: str | None = None) -> object:
    """metavar: what stands for the value; by default what its type suggests."""
    return tyro.conf.arg(name=name, metavar=metavar, help=help, help_behavior_hint=_default)


def _default(value: str) -> str:
    """Nothing for what is left out: what happens then is said in words."""
    return "" if value in ("", "None") else f"(default: {value})"

"""Triton's interpreter, told once what it would look up at every call of a kernel's function."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def quicker_interpreter() -> Iterator[None]:
    """The names it replaces in a module of Triton's are always the same; it sorts all each time."""
    import inspect

    try:
        from triton.language.core import is_builtin
        from triton.runtime import interpreter
    except ImportError:  # where it cannot be installed
        yield
        return

    names: dict[object, list[str]] = {}

    def patch(package, builder, scope):  # type: ignore[no-untyped-def]
        if package not in names:
            names[package] = [n for n, x in inspect.getmembers(package) if is_builtin(x)]
        for name in names[package]:
            member = getattr(package, name)
            if is_builtin(member):
                interpreter._patch_attr(package, name, member, builder, scope)

    with pytest.MonkeyPatch.context() as context:
        context.setattr(interpreter, "_patch_builtin", patch)
        yield

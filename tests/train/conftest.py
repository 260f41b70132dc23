"""Kernels run in Triton's interpreter."""

from interpreter import quicker_interpreter  # noqa: F401

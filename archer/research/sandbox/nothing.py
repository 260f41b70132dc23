"""The job that does nothing: to see what protection is in force."""

from archer.research.sandbox.child import Send


def prepare(data: object) -> None:
    """Nothing."""


def work(data: object, send: Send) -> None:
    """Nothing."""

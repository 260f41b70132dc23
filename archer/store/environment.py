"""What a run ran on: recorded once per run, so that a number can be traced."""

import hashlib
import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

import archer

PACKAGE = Path(__file__).resolve().parents[1]
PACKAGES = (
    "archer", "torch", "triton", "numpy", "pandas", "sqlalchemy", "flash-linear-attention",
    "fla-core",
)  # fmt: skip
RULES = "rules"  # beside what `environment` tells of a run: the rules of one's own in its plan
# A password runs to the last @, of a query to the next &.
SECRETS = (
    re.compile(r"(://[^:/@\s]*:).*(?=@)"),
    re.compile(r"([?&][^=&\s]*password=)[^&\s]*", re.IGNORECASE),
)


def environment(device: str) -> dict[str, Any]:
    """Command, versions, card, commit and a hash of the code, as plain data."""
    return {
        "command": [masked(argument) for argument in sys.argv],
        "python": platform.python_version(),
        # read from the source: it need not be installed as a package
        "versions": {name: _version(name) for name in PACKAGES} | {"archer": archer.__version__},
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "card": _card(device),
        "commit": commit(),
        "code": code(),
    }


def masked(text: str) -> str:
    """An argument without the passwords of the URLs in it; rather too much is hidden."""
    for secret in SECRETS:
        text = secret.sub(r"\1***", text)
    return text


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _card(device: str) -> dict[str, Any] | None:
    import torch

    if device == "cpu":
        return None
    return {
        "name": torch.cuda.get_device_name(),
        "cuda": torch.version.cuda,
        "memory_bytes": torch.cuda.get_device_properties(0).total_memory,
    }


def commit() -> str | None:
    """Commit of the checkout this code runs from; None for an installed package.

    Read without git, which may be missing, or refuse a folder of another user's.
    """
    git = PACKAGE.parent / ".git"
    try:
        if git.is_file():  # a work tree beside the repository
            git = PACKAGE.parent / git.read_text().removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        more = git / "commondir"
        common = git / more.read_text().strip() if more.exists() else git
        ref = head.removeprefix("ref: ")
        if (common / ref).exists():
            return (common / ref).read_text().strip()
        packed = (line.split() for line in (common / "packed-refs").read_text().splitlines())
        return next((words[0] for words in packed if words[1:] == [ref]), None)
    except OSError:
        return None


def code() -> str:
    """Hash of the package's source: tells apart what one commit, changed or not, does not."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        found.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]

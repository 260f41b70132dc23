"""`archer data`; its signature is its options, its docstring its help.

Heavy imports are inside: `archer --help` must not wait for torch.
"""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import UseAppendAction

from archer.cli.assignments import assignment
from archer.cli.option import arg


def data(
    task: Annotated[str, arg(metavar="TASK", help="task name, e.g. in-context-recall")],
    /,
    *,
    out: Annotated[Path, arg(metavar="FILE.npz", help="file to write")],
    set: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="FIELD=VALUE", help="change a field of the setting; may be repeated"),
    ] = (),
    split: Annotated[
        Literal["train", "validation", "test"], arg(help="which of the three streams")
    ] = "train",
    n: Annotated[
        int | None, arg(metavar="N", help="instances; default: the setting's own number")
    ] = None,
    seed: Annotated[int, arg(help="seed; 0 is the protocol's")] = 0,
) -> None:
    """Write a task's data as arrays `inputs` and `targets` (int32, -100 = not scored).

    Example: archer data memorization --set vocab_size=512 --split test --out memorization.npz
    """
    from archer.mad.export import setting_with, write_arrays

    setting = setting_with(task, dict(map(assignment, set)))
    path, shape = write_arrays(setting, split, seed, n, out)
    print(f"wrote {path}: inputs and targets {shape[0]} x {shape[1]}, {setting.name}, {split}")

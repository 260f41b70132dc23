"""Accuracy against the field a task varies, and where a rule breaks."""

import pandas as pd

from archer.stats.frame import CELL, check_scores
from archer.stats.intervals import Interval, mean_interval

# More training data makes a task easier; more of anything else makes it harder.
EASIER_WITH_MORE = ("num_train_examples",)
BREAK_SHARE = 0.5


def breakdown(scores: pd.DataFrame) -> pd.DataFrame:
    """Per rule and setting: field and value it varies, mean over seeds, sd, n, low, high, method.

    A setting is named "task/field=value", or only "task": then the field is "baseline" and the
    value missing. `identical` says where the rule is its baseline by construction (see compare).
    Sorted by difficulty within a field.
    """
    rows = []
    for key, cell in check_scores(scores).groupby([*CELL, "setting"], sort=False):
        field, value = _field(str(key[-1]))
        known = {"identical": bool(cell["identical"].all())} if "identical" in cell else {}
        rows.append(
            dict(zip([*CELL, "setting"], key, strict=True))
            | {"field": field, "value": value}
            | vars(mean_interval(cell["accuracy"].to_numpy(float)))
            | known
        )
    columns = [*CELL, "setting", "field", "value", *Interval.__dataclass_fields__]
    table = pd.DataFrame(rows, columns=columns + (["identical"] if "identical" in scores else []))
    harder = table["value"].where(~table["field"].isin(EASIER_WITH_MORE), -table["value"])
    order = table.assign(_harder=harder).sort_values([*CELL, "field", "_harder"], kind="stable")
    return order.drop(columns="_harder").reset_index(drop=True)


def breaking_points(per_setting: pd.DataFrame, share: float = BREAK_SHARE) -> pd.DataFrame:
    """Per rule, task and field: the easiest value from which on accuracy stays broken.

    Broken: below `share` times the accuracy at the field's easiest value. A dip that recovers at a
    harder value is no break. Columns: rule, row, task, column, field, easiest, accuracy (there),
    breaks_at (missing when it never does), last_good.
    """
    rows = []
    varied = per_setting[per_setting["field"] != "baseline"]
    for key, curve in varied.groupby([*CELL, "field"], sort=False):
        means, values = curve["mean"].tolist(), curve["value"].tolist()
        good = [i for i, mean in enumerate(means) if mean >= share * means[0]]
        last = good[-1] if good else 0
        rows.append(
            dict(zip([*CELL, "field"], key, strict=True))
            | {
                "easiest": values[0],
                "accuracy": means[0],
                "breaks_at": values[last + 1] if last + 1 < len(values) else float("nan"),
                "last_good": values[last],
            }
        )
    extra = ["field", "easiest", "accuracy", "breaks_at", "last_good"]
    return pd.DataFrame(rows, columns=[*CELL, *extra])


def _field(setting: str) -> tuple[str, float]:
    changed = setting.partition("/")[2]
    field, equals, value = changed.partition("=")
    if not equals:
        return "baseline", float("nan")
    if "," in changed:  # several fields at once: no one value to order by
        return ",".join(part.partition("=")[0] for part in changed.split(",")), float("nan")
    return field, float(value)

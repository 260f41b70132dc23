"""A benchmark as reports read it: trials, curves, and what statistics say of every cell."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.mad.results import Results, no_curves
from archer.mad.scored import Scored
from archer.mad.settings import COLUMNS, TASKS
from archer.mad.trial import Protocol
from archer.report.facts import AVERAGE, Facts
from archer.report.own_rules import OwnRule, read_own_rules, told_by_plan
from archer.report.proposed import Proposed, read_proposed
from archer.report.reading import chosen_baseline, disagreement, read_table
from archer.report.record import check_record
from archer.report.stated import Expects, read_expects
from archer.report.trial_columns import check_columns
from archer.rules.load import row_name
from archer.stats import cell_summary
from archer.stats import compare as compare_rules


@dataclass(frozen=True)
class Study(Scored):
    """Trials of one protocol, their learning curves, and the rule the others are held against.

    curves: columns of curves.csv, perhaps no rows. baseline: None when `delta` was not run and no
    other was asked for. disagreement: where results.csv says something else than the trials.
    expects: what rules expect, by rule and task, besides the built-in ones. proposed: the next
    modification, where the folder holds one. own: the rules that are neither built in nor peers.
    """

    trials: pd.DataFrame
    curves: pd.DataFrame = field(default_factory=no_curves)
    baseline: str | None = None
    disagreement: str | None = None
    expects: Expects = field(default_factory=dict)
    proposed: Proposed | None = None
    own: Mapping[str, OwnRule] = field(default_factory=dict)

    @staticmethod
    def of(results: Results, against: str | None = None) -> "Study":
        """A benchmark's results. Raises ArcherError for an unknown baseline."""
        baseline = chosen_baseline(results.trials, against)
        own = told_by_plan(results.plan)
        expects = {name: rule.expects for name, rule in own.items() if rule.expects}
        return Study(results.trials, results.curves, baseline, expects=expects, own=own)

    @staticmethod
    def load(folder: Path, against: str | None = None) -> "Study":
        """A result folder: trials.csv, and curves.csv where there is one (either may be .gz).

        Raises ArcherError when the folder holds no such tables or they cannot be read.
        """
        if not folder.is_dir():
            raise ArcherError(f"{folder} is not a folder; give one that `archer bench` wrote")
        trials, curves = read_table(folder, "trials"), read_table(folder, "curves")
        if trials is None:
            raise ArcherError(f"{folder} holds no trials.csv; give a folder `archer bench` wrote")
        check_record(folder, trials)
        baseline = chosen_baseline(trials, against)
        check_columns(folder, trials)
        own = read_own_rules(folder, trials["rule"].unique())
        expects = {name: rule.expects for name, rule in own.items() if rule.expects}
        study = Study(
            trials,
            no_curves() if curves is None else curves,
            baseline,
            expects=expects | read_expects(folder),
            proposed=read_proposed(folder),
            own=own,
        )
        return replace(study, disagreement=disagreement(study.table, folder / "results.csv"))

    @property
    def protocol(self) -> Protocol:
        return "mad-lab" if self.trials["protocol"].iloc[0] == "mad-lab" else "strict"

    @property
    def preset(self) -> str:
        return str(self.trials["preset"].iloc[0])

    @property
    def device(self) -> str:
        names = self.trials.get("device", pd.Series(["unknown"])).unique()
        return ", ".join(map(str, names))

    @property
    def seeds(self) -> int:
        return int(self.trials["seed"].nunique())

    @cached_property
    def rows(self) -> dict[str, str]:
        """Row name in the table by rule, in the table's order."""
        return {str(rule): row_name(str(rule)) for rule in self.trials["rule"].unique()}

    @property
    def rules(self) -> list[str]:
        return list(self.rows)

    def score(self, rule: str, column: str) -> float:
        """A cell of the table."""
        return float(self.table[column].to_numpy(float)[self.rules.index(rule)])

    @property
    def columns(self) -> list[str]:
        """Tasks as the table names them, then Average where all six were run."""
        return list(self.table.columns)

    @property
    def tasks(self) -> dict[str, str]:
        """Column by task, for the tasks that were run."""
        return {task: COLUMNS[task] for task in TASKS if COLUMNS[task] in self.table.columns}

    @cached_property
    def tidy(self) -> pd.DataFrame:
        """The selected trials as `archer.stats` reads them (see archer/stats/frame.py).

        graph: the rule whose graph a trial ran; identical: whether that is the baseline's.
        """
        chosen = self.selected
        frame = chosen[["rule", "row", "task", "setting", "seed", "accuracy"]].assign(
            column=chosen["task"].replace(COLUMNS),
            graph=chosen["identical_to"]
            .astype(object)
            .where(chosen["identical_to"].notna(), chosen["rule"]),
        )
        if self.baseline is None:
            return frame
        return frame.assign(identical=frame["graph"] == _graph_of(frame, self.baseline))

    @cached_property
    def facts(self) -> dict[tuple[str, str], Facts]:
        """Every cell by (rule, column)."""
        frame = self._cells
        known = _by_cell(cell_summary(frame))
        compared: dict[tuple[str, str], dict[str, Any]] = {}
        if frame.loc[frame["rule"] == self.baseline, "accuracy"].notna().any():
            compared = _by_cell(compare_rules(frame, str(self.baseline)))
        return {
            (rule, column): self._facts(rule, column, known, compared)
            for rule in self.rules
            for column in self.columns
        }

    def verdicts(self, rule: str, column: str) -> dict[str, str]:
        """In one column, what may be said of every other rule against this one."""
        if (rule, column) not in self._verdicts:  # asked for again by every form of the report
            self._verdicts[rule, column] = self._compared(rule, column)
        return self._verdicts[rule, column]

    @cached_property
    def _verdicts(self) -> dict[tuple[str, str], dict[str, str]]:
        return {}

    def _compared(self, rule: str, column: str) -> dict[str, str]:
        part = self._cells[self._cells["column"] == column]
        if "identical" in part:
            part = part.assign(identical=part["graph"] == _graph_of(part, rule))
        found = compare_rules(part, rule)
        return dict(zip(found["rule"], found["verdict"], strict=True))

    @cached_property
    def _cells(self) -> pd.DataFrame:
        return pd.concat([self.tidy, *self._averages()], ignore_index=True)

    def _facts(
        self,
        rule: str,
        column: str,
        known: Mapping[tuple[str, str], dict[str, Any]],
        compared: Mapping[tuple[str, str], dict[str, Any]],
    ) -> Facts:
        score = self.score(rule, column)
        summary, gap = known.get((rule, column)), compared.get((rule, column))
        if math.isnan(score) or summary is None:
            return Facts(rule, column, math.nan)
        found = Facts(
            rule,
            column,
            score,
            **{name: summary[name] for name in ("sd", "n", "low", "high", "method")},
            verdict="baseline" if rule == self.baseline else "no score",
        )
        if gap is None or math.isnan(self.score(str(self.baseline), column)):
            return found
        needed = gap["seeds_needed"]
        return replace(
            found,
            difference=gap["difference"],
            d_low=gap["low"],
            d_high=gap["high"],
            effect=gap["effect"],
            p=gap["p_holm"],
            verdict=gap["verdict"],
            seeds_needed=None if pd.isna(needed) else int(needed),
            statement=gap["statement"] if isinstance(gap["statement"], str) else None,
        )

    def _averages(self) -> list[pd.DataFrame]:
        """The six tasks' mean per rule and seed, as if it were a task of one setting."""
        if AVERAGE not in self.table.columns:
            return []
        groups = self.scores.groupby(["rule", "seed"], sort=False)["accuracy"]
        means = groups.apply(lambda accuracy: accuracy.mean(skipna=False)).reset_index()
        means = means.assign(
            row=means["rule"].map(self.rows), task="average", column=AVERAGE, setting="average"
        )
        # one name for what a rule ran everywhere: alike where two rules ran the same on all tasks
        graphs = self.tidy.groupby("rule")["graph"].agg(lambda ran: " ".join(map(str, ran)))
        means["graph"] = means["rule"].map(graphs)
        if self.baseline is not None:
            means["identical"] = means["graph"] == graphs[self.baseline]
        return [means]


def _graph_of(frame: pd.DataFrame, rule: str) -> pd.Series:
    """Per row, the graph that a rule ran on that row's setting and seed."""
    place = [frame["setting"], frame["seed"]]
    mine = frame["graph"].where(frame["rule"] == rule)
    graphs: pd.Series = mine.groupby(place).transform("first")
    return graphs


def _by_cell(frame: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    records: list[dict[str, Any]] = [
        {str(k): v for k, v in row.items()} for row in frame.to_dict("records")
    ]
    return {(row["rule"], row["column"]): row for row in records}

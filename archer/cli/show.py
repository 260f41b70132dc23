"""Prints results for people."""

import inspect
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from archer.check import CheckReport
    from archer.mad.plan import Plan
    from archer.mad.results import Results
    from archer.store import Store

console = Console(highlight=False, soft_wrap=True)


def show_rules() -> None:
    """Every built-in rule with its equations, knobs, slots and signals."""
    from archer.rules.load import BUILTIN, builtin_graph, load_rule, row_name

    for name in BUILTIN:
        graph, rule = builtin_graph(name), load_rule(name)
        doc = inspect.getdoc(inspect.getmodule(rule)) or ""
        console.print(f"[bold]{name}[/bold]  {row_name(name)}", markup=True)
        console.print("  " + doc.replace("\n", "\n  "), markup=False)
        for knob in graph.knobs:
            how = ", learned" if knob.learn else ""
            scale = ", log scale" if knob.log else ""
            bounds = f"[{knob.low:g}, {knob.high:g}]"
            text = f"  knob {name}.{knob.name} = {knob.default:g} in {bounds}{scale}{how}"
            console.print(text, markup=False)
        signals = ", ".join(f"{s.name} ({s.activation})" for s in graph.signals) or "none"
        console.print(
            f"  slots {', '.join(graph.slots) or 'none'}; signals {signals}", markup=False
        )
        console.print(f"  chunk size {graph.chunk_size}, hash {graph.rule_hash[:12]}\n")


def show_results(results: "Results") -> None:
    """The table, what to keep in mind, and where the files are."""
    from archer.report.notes import notes
    from archer.report.study import Study
    from archer.report.tables import terminal_table

    plan, study = results.plan, Study.of(results)
    console.print(
        f"\nMAD accuracy, preset {plan.preset.name} ({plan.preset.about}), protocol "
        f"{plan.protocol}, {results.device}, {results.seconds:.0f} s\n"
    )
    console.print(terminal_table(study))
    console.print("")
    for note in notes(study):
        console.print(f"- {note}", markup=False)
    if results.out:
        names = ("results.csv", "trials.csv", "curves.csv", "report.md", "report.html")
        console.print("\nwrote " + ", ".join(str(results.out / name) for name in names))


def show_estimate(plan: "Plan", device: str, workers: int | None) -> None:
    """What a plan would cost."""
    from archer.mad.estimate import estimate
    from archer.mad.runner import worker_count

    cost = estimate(plan, device)
    side_by_side = worker_count(plan.populations, workers) if device == "cpu" else 1
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        (
            "trials",
            f"{cost.trials:,} ({cost.trained:,} trained, the rest identical to one of them)",
        ),
        ("populations", f"{cost.populations:,}, {side_by_side} at a time"),
        ("steps", f"up to {cost.steps:,}"),
        ("tokens", f"up to {cost.training_tokens:,} trained, {cost.evaluation_tokens:,} evaluated"),
        ("memory", f"about {cost.memory_bytes / 2**20:,.0f} MiB for the largest population"),
        (
            "time",
            f"roughly {duration(cost.seconds)} on {device}, less if it stops early",
        ),
    ):
        table.add_row(name, value)
    console.print(table)
    console.print("dry run: nothing was trained")


def show_check(report: "CheckReport") -> None:
    """Every check with its verdict."""
    for result in report.results:
        mark = {True: "[green]ok  [/green]", False: "[red]FAIL[/red]", None: "[dim]--  [/dim]"}
        console.print(mark[result.passed], f"{result.name:<20}", end=" ")
        console.print(result.message, markup=False)
    verdict = "valid rule" if report.ok else "not a valid rule"
    console.print(f"\n{report.file}: {verdict}", markup=False)


def show_status(store: "Store") -> None:
    """Where every rule stands on every task, why trials failed, and which commands ran."""
    from archer.store.status import status

    console.print(store.where, markup=False)
    for asked in status(store):
        trials = asked.trials
        numbers = ", ".join(f"{trials.states[name]} {name}" for name in UNFINISHED)
        console.print(
            f"\npreset {asked.preset}, protocol {asked.protocol}: "
            f"{trials.done} of {trials.total} trials done, {numbers}\n"
        )
        table = Table("rule", "task", box=None, pad_edge=False)
        for name in ("done", "of", "diverged", *UNFINISHED):
            table.add_column(name, justify="right")
        for (rule, task), counts in asked.cells.items():
            numbers_of = [counts.states[name] for name in ("diverged", *UNFINISHED)]
            table.add_row(rule, task, *map(str, [counts.done, counts.total, *numbers_of]))
        console.print(table)
        for (rule, task), counts in asked.cells.items():
            for reason, count in counts.reasons.items():
                console.print(f"{rule} on {task}: {count} failed: {reason}", markup=False)
    console.print("")
    for run in store.runs():
        console.print(_run_line(run), markup=False)


UNFINISHED = ("running", "failed", "waiting")


def _run_line(run: dict[str, Any]) -> str:
    """When, with what, and how a run ended."""
    ended = "ended" if run["ended"] is not None else "at work" if run["alive"] else "was killed"
    began = datetime.fromtimestamp(run["started"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    found = run["environment"]
    card = found["card"]["name"] if found["card"] else run["device"]
    versions = ", ".join(f"{name} {found['versions'][name]}" for name in ("archer", "torch"))
    commit = f", commit {found['commit'][:12]}" if found["commit"] else ""
    return (
        f"run {run['id']}: {began}, {card}, {versions}{commit}, code {found['code'][:8]}, {ended}"
    )


def duration(seconds: float) -> str:
    """ "40 s", "12 min" or "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

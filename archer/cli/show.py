"""Prints results for people."""

import inspect
from datetime import UTC, datetime
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from archer.cli.tables import Whole
from archer.errors import LONGEST

if TYPE_CHECKING:
    from archer.check import CheckReport
    from archer.mad.plan import Plan
    from archer.mad.results import Results
    from archer.store import Store
    from archer.store.status import Asked

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
    _show_peers()


def _show_peers() -> None:
    from archer.rules.peer import Peer

    console.print("[bold]peers[/bold], beside the rules in `archer bench` (docs/peers.md)")
    console.print(f"  attention: {Peer('attention').about}", markup=False)
    console.print(
        "  fla:NAME(option=value): a layer of flash-linear-attention, on a GPU", markup=False
    )


def show_results(results: "Results") -> None:
    """The table, what to keep in mind, and where the files are."""
    from archer.report.notes import notes
    from archer.report.sections import which_seeds
    from archer.report.study import Study
    from archer.report.tables import terminal_table

    plan, study = results.plan, Study.of(results)
    console.print(
        f"\nMAD accuracy, preset {plan.preset.name} ({plan.preset.about}), protocol "
        f"{plan.protocol}, {results.device}, {results.seconds:.0f} s\n"
    )
    console.print(Whole(terminal_table(study)))
    if study.seeds > 1:
        seeds = f"{study.seeds} seeds{which_seeds(study)}"
        end = "the farther end of the 95 % interval of the mean"
        console.print(f"\n± to {end} over {seeds}")
    console.print("")
    for note in notes(study):
        console.print(f"- {note}", markup=False)
    if results.out:
        names = ("results.csv", "cells.csv", "trials.csv", "curves.csv", "report.md", "report.html")
        console.print("\nwrote " + ", ".join(str(results.out / name) for name in names))


def show_estimate(plan: "Plan", device: str, workers: int | None) -> None:
    """What a plan would cost."""
    from archer.mad.estimate import busy, estimate
    from archer.mad.runner import worker_count
    from archer.report.sections import duration

    cost = estimate(plan, device)
    time = f"roughly {duration(max(1.0, cost.seconds))} on {_place(device)}"
    side_by_side = worker_count(plan.populations, workers) if device == "cpu" else 1
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        (
            "trials",
            f"{cost.trials:,}"
            + (
                f" ({cost.trained:,} trained, the rest identical to one of them)"
                if cost.trained < cost.trials
                else ""
            ),
        ),
        ("populations", f"{cost.populations:,}, {side_by_side} at a time"),
        ("steps", f"up to {cost.steps:,}"),
        ("tokens", f"up to {cost.training_tokens:,} trained, {cost.evaluation_tokens:,} evaluated"),
        ("memory", _memory(plan, cost.memory_bytes, device, side_by_side)),
        ("time", ", ".join(filter(None, [time, "less if it stops early", busy(device)]))),
    ):
        table.add_row(name, value)
    console.print(Whole(table))
    for note in cost.notes:
        console.print(note, markup=False)
    console.print("dry run: nothing was trained")


def _memory(plan: "Plan", largest: int, device: str, workers: int) -> str:
    from archer.mad.room import Room

    said = f"about {largest / 2**20:,.0f} MiB for the largest population"
    if device == "cuda":
        return said
    room = Room(workers)
    if all(room.want(population).members is None for population in plan.populations):
        return said
    here = f"{room.share / 2**20:,.0f} MiB for each of {workers}" if workers > 1 else "less"
    return f"{said}; there is room here for {here}: fewer of its members train at a time"


def _place(device: str) -> str:
    """The device, or the card whose speed was taken for one that is not here."""
    import torch

    here = device != "cuda" or torch.cuda.is_available()
    return device if here else "an H200 (there is no GPU here)"


def show_check(report: "CheckReport") -> None:
    """Every check that passed, the one that failed, and how many were not run."""
    ended = [result for result in report.results if result.passed is not None]
    for result in ended:
        mark = "[green]ok  [/green]" if result.passed else "[red]FAIL[/red]"
        console.print(mark, f"{result.name:<20}", end=" ")
        console.print(result.message, markup=False)
    if left := len(report.results) - len(ended):
        console.print(f"{left} {'check' if left == 1 else 'checks'} not run")
    verdict = "valid rule" if report.ok else "not a valid rule"
    console.print(f"\n{report.file}: {verdict}", markup=False)


def show_status(store: "Store") -> None:
    """Where every rule stands on every task, why trials failed, and which commands ran."""
    from archer.store.status import status

    console.print(store.where, markup=False)
    for asked in status(store):
        _show_asked(asked)
    console.print("")
    for run in store.runs():
        console.print(_run_line(run), markup=False)


UNFINISHED = ("running", "failed", "waiting")
HELD = "running: held by a command at work; on a CPU also what waits there for a worker"


def _show_asked(asked: "Asked") -> None:
    """Counts per rule and task, the best of each task so far, and reasons of failures."""
    trials = asked.trials
    numbers = ", ".join(f"{trials.states[name]} {name}" for name in UNFINISHED)
    console.print(
        f"\npreset {asked.preset}, protocol {asked.protocol}: "
        f"{trials.done} of {trials.total} trials done, {numbers}\n"
    )
    table = Table("rule", "task", box=None, pad_edge=False)
    for name in ("done", "of", "diverged", *UNFINISHED, "best"):
        table.add_column(name, justify="right")
    for (rule, task), counts in asked.cells.items():
        numbers_of = [counts.states[name] for name in ("diverged", *UNFINISHED)]
        best = asked.best.of(rule, task)
        shown = [*map(str, [counts.done, counts.total, *numbers_of])]
        table.add_row(rule, task, *shown, "" if best is None else f"{best:.3f}")
    console.print(Whole(table))
    if trials.states["running"]:
        console.print(HELD)
    if best_of := asked.best.by_task():
        listed = ", ".join(f"{column} {value:.3f}" for column, value in best_of.items())
        console.print(f"best accuracy so far, on {asked.split} data: {listed}")
    for (rule, task), counts in asked.cells.items():
        for reason, count in counts.reasons.items():
            why = shorten(reason, LONGEST, placeholder=" ...")
            console.print(f"{rule} on {task}: {count} failed: {why}", markup=False)


def _run_line(run: dict[str, Any]) -> str:
    """When, where and with what a run worked, and its last sign of life."""
    found = run["environment"]
    card = found["card"]["name"] if found["card"] else run["device"]
    known = found["versions"]
    versions = ", ".join(f"{name} {known[name]}" for name in ("archer", "torch") if known[name])
    commit = f", commit {found['commit'][:12]}" if found["commit"] else ""
    host = run["machine"].partition(" ")[0]
    return (
        f"run {run['id']}: {_moment(run['started'])}, {card} on {host}, {versions}{commit}, "
        f"code {found['code'][:8]}, {_life(run)}"
    )


def _life(run: dict[str, Any]) -> str:
    """ "ended TIME", or whether it lives and when it last said so."""
    if run["ended"] is not None:
        return f"ended {_moment(run['ended'])}"
    from archer.store.run import LEASE_SECONDS

    said = f"last sign of life {_moment(run['until'] - LEASE_SECONDS)}"
    return f"{'at work' if run['alive'] else 'was killed'}, {said}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

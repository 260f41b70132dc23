"""`archer sweep`; its signature is its options, its docstring its help."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import UseAppendAction

from archer.cli.given import check_record, check_workers
from archer.cli.option import arg
from archer.errors import ArcherError

if TYPE_CHECKING:
    from archer.sweeps import SweepResults


def sweep(
    rule: Annotated[
        str, arg(metavar="RULE", help="a built-in name or a rule file; none with --from")
    ] = "",
    /,
    *,
    set: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(
            metavar="RULE.KNOB=VALUES",
            help="a,b,c: these values, also the words learned, d_k (size of a head) and sqrt(d_k); "
            "low:high:n: n values evenly spaced, by the logarithm for a knob on a log scale; "
            "low:high: an interval to search. May be repeated: all combinations",
        ),
    ] = (),
    learn: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="RULE.KNOB", help="train a knob at every point; may be repeated"),
    ] = (),
    chunk_size: Annotated[str, arg(metavar="N,N,...", help="chunk sizes to sweep as well")] = "",
    one_at_a_time: Annotated[
        bool, arg(help="vary one name at a time, the others at their defaults")
    ] = False,
    preset: Annotated[
        Literal["smoke", "quick", "core", "mad"],
        arg(help="smoke: seconds; quick: minutes; core: six baselines; mad: all 66 settings"),
    ] = "quick",
    tasks: Annotated[
        tuple[str, ...] | None, arg(metavar="TASK [TASK ...]", help="tasks to run; default: all")
    ] = None,
    seeds: Annotated[int, arg(help="seeds per point; with one, nothing can be told")] = 3,
    lr: Annotated[
        tuple[float, ...] | None,
        arg(metavar="LR [LR ...]", help="learning rates to choose from; default: the preset's"),
    ] = None,
    weight_decay: Annotated[
        tuple[float, ...] | None,
        arg(metavar="WD [WD ...]", help="weight decays to choose from; default: the preset's"),
    ] = None,
    rates_from: Annotated[
        str | None,
        arg(
            metavar="DIR",
            help="a record, or folder or URL of a store: per setting, train at the lr and weight "
            "decay that were best there, on validation data, for the rule of --rates-of",
        ),
    ] = None,
    rates_of: Annotated[str, arg(metavar="RULE", help="whose rates --rates-from takes")] = "delta",
    search: Annotated[
        Literal["grid", "random", "tpe"],
        arg(help="random and tpe try --trials points; pip install 'archer[search]'"),
    ] = "grid",
    trials: Annotated[int | None, arg(metavar="N", help="points that a search tries")] = None,
    search_seed: Annotated[int, arg(help="seed of the search's own choices")] = 0,
    heads: Annotated[
        int | None, arg(metavar="N", help="heads per mixer; default: the preset's, 1")
    ] = None,
    precision: Annotated[
        Literal["fp32", "bf16"] | None,
        arg(metavar="{fp32,bf16}", help="default: bf16 on a GPU, fp32 elsewhere"),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], arg(help="where to train")] = "auto",
    workers: Annotated[
        int | None, arg(metavar="N", help="processes on a CPU; default: one per core")
    ] = None,
    out: Annotated[
        Path | None,
        arg(metavar="DIR", help="folder for the files; default: results/sweep-RULE-PRESET"),
    ] = None,
    store: Annotated[
        str | None,
        arg(metavar="URL", help="database of trials, as of archer bench; default: in the folder"),
    ] = None,
    yes: Annotated[bool, arg(help="train even a grid of more than 200 points")] = False,
    dry_run: Annotated[bool, arg(help="say what it would cost and train nothing")] = False,
    from_: Annotated[
        Path | None,
        arg(name="from", metavar="RECORD", help="rebuild a record's tables without training"),
    ] = None,
) -> int | None:
    """Try values of a rule's knobs side by side; choose on validation data, read the test once.

    Always protocol strict. Stopped or killed, the same command continues.

    Example: archer sweep momentum --set momentum.mu=0.7,0.8,0.9,0.95 --preset smoke
    """
    if from_ is not None:
        check_record(sweep, locals())
        return show_rebuilt_sweep(from_, out)
    from archer.benchmark import find_device
    from archer.cli.show import show_estimate
    from archer.sweeps import plan_sweep
    from archer.sweeps import sweep as run

    if not rule:
        raise ArcherError("name the rule to sweep; `archer rules` lists those that are built in")
    device = find_device(device)  # type: ignore[assignment]
    check_workers(device, workers)
    asked: dict[str, Any] = {
        "set": set,
        "learn": learn,
        "chunk_sizes": _chunk_sizes(chunk_size),
        "preset": preset,
        "tasks": tasks,
        "seeds": seeds,
        "lrs": lr,
        "weight_decays": weight_decay,
        "rates_from": rates_from,
        "rates_of": rates_of,
        "one_at_a_time": one_at_a_time,
        "search": None if search == "grid" else search,
        "trials": trials,
        "search_seed": search_seed,
        "heads": heads,
        "precision": precision,
        "device": device,
        "large": yes,
    }
    if dry_run:
        show_estimate(plan_sweep(rule, **asked).cost, device, workers)
        return None
    folder = out or Path("results") / f"sweep-{Path(rule).stem}-{preset}"
    show_sweep(run(rule, **asked, workers=workers, out=folder, store=store))
    return None


def _chunk_sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ArcherError(f"--chunk-size {text}: write whole numbers, as in 1,8,16") from None


def show_sweep(results: "SweepResults") -> None:
    """How long it took, what `show_tables` shows, and where the files are."""
    from archer.cli.show import console
    from archer.sweeps import words

    console.print(f"\n{words.title(results)}, {results.seconds:.0f} s", markup=False)
    show_tables(results)
    if results.out:
        names = ("sweep.csv", "sweep.md", "sweep.html")
        console.print("\nwrote " + ", ".join(str(results.out / name) for name in names))


def show_rebuilt_sweep(record: Path, out: Path | None = None) -> int:
    """`archer sweep --from RECORD`: its tables again, without training; 1 if they are others.

    out: folder for the files, by default results/NAME, the record's own name.
    """
    from archer.cli.show import console
    from archer.sweeps.rebuild import rebuild_sweep

    found = rebuild_sweep(record, out or Path("results") / record.resolve().name)
    console.print(f"\n{record}, from the record's trials", markup=False)
    show_tables(found.results)
    console.print("\nwrote " + ", ".join(map(str, found.files)), markup=False)
    same = found.difference is None
    said = "equal to the record's tables" if same else f"not equal: {found.difference}"
    console.print(said, markup=False)
    return 0 if same else 1


def show_tables(results: "SweepResults") -> None:
    """The chosen values, the curves, and what to keep in mind."""
    from archer.cli.show import console
    from archer.cli.tables import frame_table
    from archer.sweeps import words
    from archer.sweeps.order import curves_text, learned_text
    from archer.sweeps.remarks import remarks

    def say(lines: Sequence[str]) -> None:
        for line in lines:
            console.print(f"- {line}", markup=False)

    console.print("")
    say(words.setup(results))
    console.print("\nValidation accuracy of every point:\n")
    console.print(frame_table(curves_text(results)))
    console.print(f"\n{words.chosen(results)}\n")
    console.print(frame_table(words.selection(results)))
    if len(learned := learned_text(results)):
        console.print(f"\n{words.LEARNED}\n")
        console.print(frame_table(learned))
    console.print(f"\n{words.CURVES}")
    say(remarks(results))

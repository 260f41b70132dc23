"""`archer research`: the loop, and what one may ask of a folder it has worked in."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import UseAppendAction, arg

from archer.errors import ArcherError

if TYPE_CHECKING:
    from archer.research.overview import Overview

VERBS = {"status": 1, "tree": 1, "show": 2, "resume": 1, "promote": 2}
LONGEST = 110  # of a line said while it works


def research(
    verb: Annotated[
        tuple[str, ...],
        arg(
            metavar="VERB",
            help="nothing to search; or status DIR, tree DIR, show DIR ID, resume DIR, "
            "promote DIR ID --to FOLDER",
        ),
    ] = (),
    /,
    *,
    budget: Annotated[int, arg(help="candidates to propose")] = 20,
    proposer: Annotated[
        Literal["evolution", "llm", "manual"], arg(help="who proposes rules")
    ] = "evolution",
    preset: Annotated[
        Literal["smoke", "quick", "core", "mad"], arg(help="the last stage of testing")
    ] = "quick",
    seeds: Annotated[int, arg(help="seeds per candidate while searching")] = 1,
    claim_seeds: Annotated[
        int, arg(help="fresh seeds on which promoted rules are compared at the end; 0: none")
    ] = 5,
    batch: Annotated[int, arg(help="candidates of a generation, trained together")] = 2,
    hours: Annotated[float | None, arg(help="limit of the search's working time")] = None,
    gpu_hours: Annotated[float | None, arg(help="limit of its training time on a GPU")] = None,
    dollars: Annotated[float | None, arg(help="limit of what a language model may cost")] = None,
    control: Annotated[
        Literal["random"] | None, arg(help="a random control beside it, with the same budget")
    ] = None,
    seed: Annotated[int, arg(help="of the proposers' random choices")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda"], arg(help="where to train")] = "auto",
    precision: Annotated[
        Literal["fp32", "bf16"] | None, arg(help="default: bf16 on a GPU, fp32 elsewhere")
    ] = None,
    out: Annotated[Path | None, arg(help="folder; default: results/research")] = None,
    store: Annotated[
        str | None, arg(metavar="URL", help="database; default: archer.db in the folder")
    ] = None,
    to: Annotated[Path | None, arg(metavar="FOLDER", help="of promote: where rules live")] = None,
    model: Annotated[str | None, arg(help="of llm: the model's name at the server")] = None,
    base_url: Annotated[str | None, arg(metavar="URL", help="of llm: the server's address")] = None,
    key_env: Annotated[
        str | None, arg(help="of llm: environment variable of the key; OPENAI_API_KEY")
    ] = None,
    price_in: Annotated[float | None, arg(help="of llm: dollars per million input tokens")] = None,
    price_out: Annotated[
        float | None, arg(help="of llm: dollars per million output tokens")
    ] = None,
    tokens: Annotated[int | None, arg(help="of llm: limit of tokens in all")] = None,
    max_tokens: Annotated[int | None, arg(help="of llm: longest answer in tokens")] = None,
    rule: Annotated[Path | None, arg(metavar="FILE", help="of manual: the rule file")] = None,
    motivation: Annotated[str | None, arg(help="of manual: why it should work")] = None,
    expect: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="TASK=CHANGE", help="of manual: expected change; may be repeated"),
    ] = (),
) -> None:
    """Search for rules: propose, gate, test, explain, repeat; then look at what was found.

    Stopped or killed, the same command or `archer research resume DIR` continues. What is proposed
    is never run outside a locked-down process. Every table and page is in the folder.

    Example: archer research --budget 12 --preset smoke --out results/first-search
    """
    if verb:
        _verb(verb, store, to)
        return
    from archer.research.settings import Budget, Settings
    from archer.research.start import begin

    found, exact = _place(device, precision)
    options = _options(
        proposer,
        model=model,
        base_url=base_url,
        key_env=key_env,
        price_in=price_in,
        price_out=price_out,
        tokens=tokens,
        max_tokens=max_tokens,
        rule=None if rule is None else str(rule),
        motivation=motivation,
        expect=dict(map(_expected, expect)),
    )
    settings = Settings(
        Budget(1 if proposer == "manual" else budget, hours, gpu_hours, dollars),
        proposer,
        preset,
        seeds,
        claim_seeds,
        batch,
        control is not None,
        seed,
        found,
        exact,
        options,
    )
    folder = out or Path("results") / "research"
    _say_protection()
    _show(begin(settings, folder, store, _say), folder)


def _verb(words: tuple[str, ...], store: str | None, to: Path | None) -> None:
    verb, rest = words[0], words[1:]
    if verb not in VERBS or len(rest) != VERBS[verb]:
        raise ArcherError(
            f"archer research {' '.join(words)}: write status DIR, tree DIR, show DIR ID, "
            "resume DIR or promote DIR ID --to FOLDER"
        )
    folder = Path(rest[0])
    if verb == "resume":
        from archer.research.start import resume

        _show(resume(folder, store, _say), folder)
        return
    if verb == "promote" and to is None:
        raise ArcherError("archer research promote: name the folder of rules with --to FOLDER")
    from archer.cli import show_research as show
    from archer.research.ledger import Ledger
    from archer.research.overview import Overview
    from archer.store import open_store

    with open_store(store or folder, create=False) as opened:
        ledger = Ledger(opened, create=False)
        if verb in ("show", "promote"):
            entry = ledger.entry(rest[1])
            session = next(s for s in ledger.sessions() if s.id == entry.session)
            overview = Overview.load(ledger, session)
            if verb == "show":
                show.show_candidate(overview, entry, ledger.verdicts(entry))
                return
            from archer.research.promote import promote

            assert to is not None
            path = promote(overview, entry, to)
            print(f"wrote {path}\nnext: archer check {path}, then archer bench delta {path}")
            return
        overview = Overview.load(ledger, ledger.sessions()[-1])
        (show.show_tree if verb == "tree" else show.show_status)(overview)


def _place(device: str, precision: str | None) -> tuple[str, str]:
    from archer.benchmark import find_device

    found = find_device(device)
    return found, precision or ("bf16" if found == "cuda" else "fp32")


def _options(proposer: str, **given: Any) -> dict[str, Any]:
    from archer.research.proposers import check_options

    return check_options(proposer, given)


def _expected(text: str) -> tuple[str, float]:
    task, _, change = text.partition("=")
    try:
        return task.strip(), float(change)
    except ValueError:
        raise ArcherError(
            f"--expect {text}: write TASK=CHANGE, as in --expect memorization=0.05"
        ) from None


def _say(text: str) -> None:
    """One line on standard error; what a proposer wrote is shortened and cannot move the cursor."""
    flat = "".join(c if c.isprintable() else " " for c in text)
    print(flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…", file=sys.stderr)


def _say_protection() -> None:
    from archer.research.sandbox import protection

    _say(f"proposed source is confined by: {', '.join(protection())}")


def _show(overview: "Overview", folder: Path) -> None:
    from archer.cli.show_research import show_outcome

    show_outcome(overview, folder)

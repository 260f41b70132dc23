"""`archer research`: the loop, and what one may ask of a folder it has worked in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import UseAppendAction

from archer.cli.given import check_record, refuse_unheeded
from archer.cli.option import arg
from archer.errors import ArcherError

if TYPE_CHECKING:
    from archer.research.book import Book
    from archer.research.overview import Overview

VERBS = {"status": 1, "tree": 1, "show": 2, "resume": 1, "promote": 2}  # words that follow each
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
    budget: Annotated[
        int | None,
        arg(metavar="N", help="candidates to propose; default: 20, of manual the one it has"),
    ] = None,
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
    hours: Annotated[
        float | None, arg(metavar="HOURS", help="limit of the search's working time")
    ] = None,
    gpu_hours: Annotated[
        float | None, arg(metavar="HOURS", help="limit of its training time on a GPU")
    ] = None,
    dollars: Annotated[
        float | None, arg(metavar="USD", help="limit of what a language model may cost")
    ] = None,
    control: Annotated[
        Literal["random"] | None,
        arg(metavar="{random}", help="a random control beside it, with the same budget"),
    ] = None,
    seed: Annotated[int, arg(help="of the proposers' random choices")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda"], arg(help="where to train")] = "auto",
    precision: Annotated[
        Literal["fp32", "bf16"] | None,
        arg(metavar="{fp32,bf16}", help="default: bf16 on a GPU, fp32 elsewhere"),
    ] = None,
    out: Annotated[
        Path | None, arg(metavar="DIR", help="folder; default: results/research")
    ] = None,
    store: Annotated[
        str | None, arg(metavar="URL", help="database; default: archer.db in the folder")
    ] = None,
    to: Annotated[Path | None, arg(metavar="FOLDER", help="of promote: where rules live")] = None,
    model: Annotated[
        str | None, arg(metavar="NAME", help="of llm: the model's name at the server")
    ] = None,
    base_url: Annotated[str | None, arg(metavar="URL", help="of llm: the server's address")] = None,
    key_env: Annotated[
        str | None,
        arg(metavar="NAME", help="of llm: environment variable of the key; OPENAI_API_KEY"),
    ] = None,
    price_in: Annotated[
        float | None, arg(metavar="USD", help="of llm: dollars per million input tokens")
    ] = None,
    price_out: Annotated[
        float | None, arg(metavar="USD", help="of llm: dollars per million output tokens")
    ] = None,
    tokens: Annotated[int | None, arg(metavar="N", help="of llm: limit of tokens in all")] = None,
    max_tokens: Annotated[
        int | None, arg(metavar="N", help="of llm: longest answer in tokens")
    ] = None,
    answer: Annotated[
        Literal["tool", "json", "text"] | None,
        arg(
            metavar="{tool,json,text}",
            help="of llm: how it answers; by a tool call, the server's JSON mode, or as text",
        ),
    ] = None,
    rule: Annotated[Path | None, arg(metavar="FILE", help="of manual: the rule file")] = None,
    motivation: Annotated[
        str | None, arg(metavar="TEXT", help="of manual: why it should work")
    ] = None,
    expect: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="TASK=CHANGE", help="of manual: expected change; may be repeated"),
    ] = (),
    from_: Annotated[
        Path | None,
        arg(name="from", metavar="RECORD", help="rebuild a record's summary without training"),
    ] = None,
) -> int | None:
    """Search for rules: propose, gate, test, explain, repeat; then look at what was found.

    Stopped or killed, the same command or `archer research resume DIR` continues. What is proposed
    is never run outside a locked-down process. Every table and page is in the folder.

    Example: archer research --budget 12 --preset smoke --out results/first-search
    """
    if from_ is not None:
        check_record(research, locals())
        from archer.cli.show_research import show_rebuilt

        return show_rebuilt(from_, out)
    if verb:
        _check_words(verb)
        heeded = ("verb", "store", "to") if verb[0] == "promote" else ("verb", "store")
        refuse_unheeded(research, locals(), heeded, f"archer research {verb[0]} takes no {{}}")
        _verb(verb, store, to)
        return None
    if to is not None:
        raise ArcherError("--to is not an option of a search: write promote DIR ID --to FOLDER")
    from archer.research.settings import Budget, Settings
    from archer.research.start import begin

    found, exact = _place(device, precision)
    _check_limits(proposer, found, budget=budget, dollars=dollars, gpu_hours=gpu_hours)
    options = _options(
        proposer,
        model=model,
        base_url=base_url,
        key_env=key_env,
        price_in=price_in,
        price_out=price_out,
        tokens=tokens,
        max_tokens=max_tokens,
        answer=answer,
        rule=None if rule is None else str(rule),
        motivation=motivation,
        expect=dict(map(_expected, expect)),
    )
    settings = Settings(
        Budget(_candidates(proposer, budget), hours, gpu_hours, dollars),
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
    return None


def _check_words(words: tuple[str, ...]) -> None:
    """Raises ArcherError for a verb that is none, or has too few or too many words."""
    if VERBS.get(words[0]) != len(words) - 1:
        raise ArcherError(
            f"archer research {' '.join(words)}: write status DIR, tree DIR, show DIR ID, "
            "resume DIR or promote DIR ID --to FOLDER"
        )


def _check_limits(
    proposer: str,
    device: str,
    *,
    budget: int | None,
    dollars: float | None,
    gpu_hours: float | None,
) -> None:
    """Raises ArcherError for a limit that would limit nothing."""
    if proposer == "manual" and budget not in (None, 1):
        raise ArcherError(f"--budget {budget}: --proposer manual has one candidate, its --rule")
    if proposer != "llm" and dollars is not None:
        raise ArcherError(f"--dollars is not an option of --proposer {proposer}")
    if device != "cuda" and gpu_hours is not None:
        raise ArcherError("--gpu-hours: there is no GPU in this search; limit it with --hours")


def _candidates(proposer: str, budget: int | None) -> int:
    if budget is not None:
        return budget
    return 1 if proposer == "manual" else 20


def _verb(words: tuple[str, ...], store: str | None, to: Path | None) -> None:
    verb, rest = words[0], words[1:]
    folder = Path(rest[0])
    if verb == "resume":
        from archer.research.record import is_search_record
        from archer.research.start import resume

        if is_search_record(folder):
            raise ArcherError(f"{folder} is a record: it cannot be resumed; --from rebuilds it")
        _show(resume(folder, store, _say), folder)
        return
    if verb == "promote" and to is None:
        raise ArcherError("archer research promote: name the folder of rules with --to FOLDER")
    from archer.cli import show_research as show
    from archer.research.overview import Overview

    with _book(folder, store) as book:
        if verb in ("show", "promote"):
            entry = book.entry(rest[1])
            session = next(s for s in book.sessions() if s.id == entry.session)
            overview = Overview.load(book, session)
            if verb == "show":
                show.show_candidate(overview, entry, book.verdicts(entry))
                return
            from archer.research.promote import NOT_MEASURED, promote

            assert to is not None
            path = promote(overview, entry, to)
            if entry.stage in ("", "smoke"):
                _say(f"note: {NOT_MEASURED}")
            print(f"wrote {path}\nnext: archer check {path}, then archer bench delta {path}")
            return
        overview = Overview.load(book, book.sessions()[-1])
        (show.show_tree if verb == "tree" else show.show_status)(overview)


@contextmanager
def _book(folder: Path, store: str | None) -> "Iterator[Book]":
    """What a folder says of a search: a record's text, or its store."""
    from archer.research.opening import open_ledger
    from archer.research.record import is_search_record, load

    if store is None and is_search_record(folder):
        yield load(folder)
        return
    with open_ledger(folder, store) as ledger:
        if not ledger.sessions():  # it was refused or killed before it began
            raise ArcherError(f"{ledger.where}: no research there; `archer research` begins one")
        yield ledger


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

    # whole, whatever its length: what is missing here stands at its end
    print(f"proposed source is confined by: {', '.join(protection())}", file=sys.stderr)


def _show(overview: "Overview", folder: Path) -> None:
    from archer.cli.show_research import show_outcome

    show_outcome(overview, folder)

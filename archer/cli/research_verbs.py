"""What one may ask of a folder that a search has worked in: `archer research VERB DIR`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from archer.cli.rule_files import show_written
from archer.cli.say import say
from archer.errors import ArcherError

if TYPE_CHECKING:
    from archer.research.book import Book
    from archer.research.entries import Entry
    from archer.research.overview import Overview

VERBS = {"status": 1, "tree": 1, "show": 2, "resume": 1, "promote": 2}  # words that follow each


def check_words(words: tuple[str, ...]) -> None:
    """Raises ArcherError for a verb that is none, or has too few or too many words."""
    if VERBS.get(words[0]) != len(words) - 1:
        raise ArcherError(
            f"archer research {' '.join(words)}: write status DIR, tree DIR, show DIR ID, "
            "resume DIR or promote DIR ID --to FOLDER"
        )


def run_verb(words: tuple[str, ...], store: str | None, to: Path | None) -> None:
    """words: as `check_words` lets them pass. Raises ArcherError."""
    verb, folder = words[0], Path(words[1])
    if verb == "resume":
        _resume(folder, store)
        return
    if verb == "promote" and to is None:
        raise ArcherError("archer research promote: name the folder of rules with --to FOLDER")
    from archer.cli import show_research as show
    from archer.research.overview import Overview

    with _book(folder, store) as book:
        if verb in ("status", "tree"):
            overview = Overview.load(book, book.sessions()[-1])
            (show.show_tree if verb == "tree" else show.show_status)(overview)
            return
        entry = book.entry(words[2])
        session = next(s for s in book.sessions() if s.id == entry.session)
        overview = Overview.load(book, session)
        if verb == "show":
            show.show_candidate(overview, entry, book.verdicts(entry))
        else:
            assert to is not None
            _promote(overview, entry, to)


def _resume(folder: Path, store: str | None) -> None:
    from archer.cli.show_research import show_outcome
    from archer.research.record import is_search_record
    from archer.research.start import resume

    if is_search_record(folder):
        raise ArcherError(f"{folder} is a record: it cannot be resumed; --from rebuilds it")
    show_outcome(resume(folder, store, say), folder)


def _promote(overview: "Overview", entry: "Entry", to: Path) -> None:
    from archer.research.promote import NOT_MEASURED, promote

    path = promote(overview, entry, to)
    if entry.stage in ("", "smoke"):
        say(f"note: {NOT_MEASURED}")
    show_written(path)


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

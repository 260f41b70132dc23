"""Begins or continues a session: puts the loop together, runs it, writes its reports."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from archer.errors import ArcherError
from archer.files import prepare_folder
from archer.research.archive import choose
from archer.research.entries import Arm, Entry, Session
from archer.research.examine import Examiner
from archer.research.files import report_path, write_candidate, write_summary
from archer.research.gates import Known, gate, known_rules
from archer.research.gates.cost import cost
from archer.research.history import seen
from archer.research.lab import Lab
from archer.research.ledger import Ledger
from archer.research.loop import Loop
from archer.research.opening import open_ledger, typed
from archer.research.overview import Overview
from archer.research.proposal import Proposal, Proposer
from archer.research.proposers import Precheck, Silent, control, proposer
from archer.research.settings import Settings
from archer.research.spending import spent
from archer.research.verdict import Gated
from archer.rules.load import BUILTIN, builtin_graph
from archer.store import open_store

Say = Callable[[str], None]


def begin(settings: Settings, out: Path, store: str | None, say: Say) -> Overview:
    """A new session in a folder, or its unfinished one if it was asked for the same.

    store: database by URL or file, by default in the folder. Raises ArcherError; KeyboardInterrupt
    then says how to go on.
    """
    folder = prepare_folder(out)
    with open_store(store or folder) as opened:
        ledger = Ledger(opened)
        session = _unfinished(ledger)
        if session is None:
            proposer(settings)  # what cannot work is told before anything has begun
            session = ledger.begin(settings)
        elif session.settings != settings:
            raise ArcherError(
                f"{folder} has an unfinished session with other options: `archer research resume "
                f"{typed(folder)}` continues it; a new one needs another --out"
            )
        return _run(ledger, session, folder, say)


def resume(folder: Path, store: str | None, say: Say) -> Overview:
    """Go on with the last session of a folder; of an ended one the summary is written anew."""
    with open_ledger(folder, store) as ledger:
        sessions = ledger.sessions()
        if not sessions:
            raise ArcherError(f"{folder}: no research there; `archer research` begins one")
        prepare_folder(folder, "resume a copy of it that can be written")
        session = sessions[-1]
        if session.ended is not None:
            say(f"ended already: {session.why}; the summary is written anew")
            return _report(ledger, session, folder)
        return _run(ledger, session, folder, say)


def _unfinished(ledger: Ledger) -> Session | None:
    return next((s for s in reversed(ledger.sessions()) if s.ended is None), None)


def _run(ledger: Ledger, session: Session, folder: Path, say: Say) -> Overview:
    try:
        with ledger.held(session):
            if not session.costs:
                ledger.costs(session, _costs())
                session = next(s for s in ledger.sessions() if s.id == session.id)
            _loop(ledger, session, folder, say).run()
            return _report(ledger, session, folder)
    except KeyboardInterrupt as stop:  # or a kind of it, as a command line may raise on SIGTERM
        raise type(stop)(
            f"everything so far is kept; `archer research resume {typed(folder)}` continues"
        ) from None


def _costs() -> dict[str, float]:
    """Of the built-in rules, relative to delta; on one thread, as the gates measure."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {name: cost(builtin_graph(name))[1] for name in BUILTIN}
    finally:
        torch.set_num_threads(threads)


def _loop(ledger: Ledger, session: Session, folder: Path, say: Say) -> Loop:
    settings = session.settings
    lab = lab_of(ledger, settings, show=True)

    def precheck(proposal: Proposal) -> str | None:
        refused = judge(proposal, _passed(ledger, session, "search")).failed
        return f"{refused.gate}: {refused.reason}" if refused else None

    proposers: dict[Arm, Proposer] = {"search": _asked(ledger, session, precheck)}
    if settings.control:
        proposers["control"] = control()
    return Loop(
        ledger,
        session,
        Examiner(ledger, session, lab, say),
        proposers,
        judge,
        choose,
        say,
        partial(_analyse, ledger, session, lab, folder),
        session.costs,
        at_once=len(os.sched_getaffinity(0)),
    )


def _asked(ledger: Ledger, session: Session, precheck: Precheck) -> Proposer:
    """Who is asked for rules; where nothing is left to ask, no file and no key is needed."""
    settings = session.settings
    if spent(ledger.entries(session.id, "search"), settings.budget, settings.device):
        return Silent()
    # what a language model may cost is in the store before every request: a kill changes nothing
    return proposer(settings, precheck, session.reached, partial(ledger.reached, session))


def lab_of(ledger: Ledger, settings: Settings, *, show: bool = False) -> Lab:
    """The lab of a session."""
    return Lab(ledger.store, settings.device, settings.precision, show, settings.preset)


def judge(proposal: Proposal, known: Sequence[Entry]) -> Gated:
    """The gates; new is what neither a built-in rule nor one of these entries computes."""
    return gate(proposal, known_rules() | _known(known))


def _known(entries: Sequence[Entry]) -> dict[str, Known]:
    return {entry.name: Known(entry.hash, entry.behaviour) for entry in entries}


def _passed(ledger: Ledger, session: Session, arm: Arm) -> list[Entry]:
    return [entry for entry in seen(ledger, session, arm) if entry.graph is not None]


def _analyse(
    ledger: Ledger, session: Session, lab: Lab, folder: Path, group: Sequence[Entry]
) -> None:
    overview = Overview.load(ledger, session)
    for entry in group:
        write_candidate(ledger, overview, lab, entry, folder)
    write_summary(overview, folder)


def _report(ledger: Ledger, session: Session, folder: Path) -> Overview:
    """The summary, and candidates' reports that a kill prevented, from the store alone."""
    session = next(s for s in ledger.sessions() if s.id == session.id)
    overview = Overview.load(ledger, session)
    lab = lab_of(ledger, session.settings)
    for entry in overview.entries:
        if not report_path(entry, folder).exists():
            write_candidate(ledger, overview, lab, entry, folder)
    write_summary(overview, folder)
    return overview

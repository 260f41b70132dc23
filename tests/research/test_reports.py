"""What a search leaves behind: summary, page, candidate reports, tree, promoted rules."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console
from standins import FakeLab, Family
from test_loop import QUICK, loop

from archer.check import check_file
from archer.errors import ArcherError
from archer.mad.settings import COLUMNS
from archer.report.claims import verify
from archer.report.study import Study
from archer.research.files import write_candidate, write_summary
from archer.research.lab import builtin, only_validation, subject
from archer.research.overview import Overview
from archer.research.promote import promote
from archer.research.proposal import ProposalError
from archer.research.settings import Budget
from archer.research.tree import family_tree
from archer.research.words import outcome

VILE = "<script>alert(1)</script> | `x` \x1b[2J delta scores 0.990 on Memorize."


class Wordy(Family):
    """A family whose second child is refused, and whose reasons are hostile and wrong."""

    def ask(self, history):
        made = super().ask(history)
        parents = (history.candidates[-1].id if history.number == 3 else "delta",)
        source = "import os\n" if history.number == 1 else made.source
        return replace(made, motivation=VILE, source=source, parents=parents)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    settings = replace(QUICK, control=True, batch=1)
    made = loop(
        folder, settings, {"search": Wordy([0.9, 0.5, 1.1, 0.8]), "control": Family([1.1] * 4)}
    )
    made.run()
    overview = Overview.load(made.ledger, made.ledger.sessions()[0])
    write_summary(overview, folder)
    for entry in overview.entries:
        write_candidate(made.ledger, overview, made.examiner.lab, entry, folder)
    return made, overview, folder


def test_the_summary_says_what_happened(searched):
    _, overview, folder = searched
    text = (folder / "summary.md").read_text()
    assert "Of 4 proposals: 2 promoted, 1 refused, 1 weeded." in text
    best = overview.best[0]
    assert f"by `{best.name}`: {best.gap:+.4f} against delta, the best of 3; of the" in text
    known = max((s for s in overview.standings.values() if s.entry is None), key=lambda s: s.gap)
    assert f"built-in rules `{known.name}` is highest: {known.gap:+.4f}." in text
    assert "corrected for 3 candidates tried" in text
    assert "Promoted rules on fresh seeds and test data" in text
    assert "In this run the search was" in text
    assert overview.bars[0].stage == "quick"
    assert str(overview.bars[0]) in text
    assert "traces: 1; the latest" in text
    assert text.count("- Promote `scaled3`") == 1
    mine = {s.key for s in overview.standings.values() if not s.entry or s.entry.arm == "search"}
    missing = {
        task: max(overview.by_task[rule][task][0] for rule in mine & set(overview.by_task)) - own[0]
        for task, own in overview.by_task[best.key].items()
    }
    worst = COLUMNS[max(missing, key=lambda task: missing[task])]
    assert f"- `scaled3` is furthest behind on {worst}: " in text


def test_every_table_of_the_summary_has_rows_of_one_width(searched):
    text = (searched[2] / "summary.md").read_text()
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 4
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.opened, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in ("meta", "circle", "rect", "line", "path", "i"):
            self.opened.append(tag)

    def handle_endtag(self, tag):
        if self.opened and self.opened[-1] == tag:
            self.opened.pop()

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_what_proposers_write_stays_text(searched):
    page = (searched[2] / "research.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert not tags.opened
    assert "script" not in tags.tags  # the page needs none, and none gets in
    assert tags.tags.count("svg") == 4
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_the_tree_joins_children_to_parents(searched):
    made, overview, _ = searched
    page = (searched[2] / "research.html").read_text()
    # four children, each with one parent that is drawn
    assert page.count('class="descent') == 4
    assert page.count('class="descent best"') == len(overview.lineage(overview.best[0].key)) - 1
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(family_tree(overview))
    lines = console.export_text().splitlines()
    depth = {
        e.name: next(line.index(e.id) for line in lines if e.id in line)
        for e in made.entries("search")
    }
    assert depth["scaled3"] > depth["scaled2"] == depth["scaled0"]
    assert sum("best" in line for line in lines) == 1
    assert any("refused: traces" in line for line in lines)


def test_a_candidate_report_is_verified_and_shows_validation_scores(searched):
    made, _, folder = searched
    entry = made.entries("search")[0]
    text = (folder / "candidates" / f"{entry.id}.md").read_text()
    assert "0 refuted" not in text
    assert "This report:" in text
    assert "- refuted: ‹script>alert(1)‹/script>" in text  # what the proposer claimed of delta
    own = text.partition("## Claims checked")[2].splitlines()[2]
    assert own.startswith("This report: ")
    assert "refuted" not in own
    lab = made.examiner.lab
    subjects = [builtin("delta"), builtin("gated_delta"), subject(entry)]
    study = Study.of(only_validation(lab.found(subjects, "quick", 1)))
    assert f"{study.score(entry.name, 'Noisy Recall'):.3f}" in text
    measured = text.partition("## Validation scores")[2].partition("## Expected")[0]
    assert not [v for v in verify(measured, study.table) if v.status == "refuted"]
    assert "\x1b" not in text
    refused = (folder / "candidates" / f"{made.entries('search')[1].id}.md").read_text()
    assert "FAILED" in refused
    assert "Validation scores" not in refused


@pytest.mark.usefixtures("warm")
def test_promote_writes_an_ordinary_rule_file_with_provenance(searched, tmp_path):
    made, overview, _ = searched
    entry = made.entries("search")[3]
    path = promote(overview, entry, tmp_path / "rules")
    text = path.read_text()
    assert path.name == "scaled3.py"
    report = check_file(str(path))
    assert report.ok, report.failed
    assert report.graph is not None
    assert report.graph.rule_hash == entry.hash
    head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    assert f"candidate {entry.id}" in head
    assert "Parents: scaled2." in head
    assert "is better than delta on quick" in " ".join(head.replace("#", "").split())
    assert text.endswith(entry.source)
    assert "\x1b" not in text
    with pytest.raises(ArcherError, match="exists already"):
        promote(overview, entry, tmp_path / "rules")
    with pytest.raises(ArcherError, match=r"File exists; choose another folder with --to$"):
        promote(overview, entry, path)


def test_what_did_not_pass_the_gates_is_not_promoted(searched, tmp_path):
    made, overview, _ = searched
    with pytest.raises(ArcherError, match="did not pass the gates"):
        promote(overview, made.entries("search")[1], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_candidates_are_found_by_the_start_of_their_id_or_by_name(searched):
    made = searched[0]
    entry = made.entries("search")[0]
    assert made.ledger.entry(entry.id[:5]).id == entry.id
    assert made.ledger.entry("scaled0").id == entry.id
    with pytest.raises(ArcherError, match="no candidate 'zzz'"):
        made.ledger.entry("zzz")


def test_a_search_that_found_nothing_reports_too(tmp_path):
    made = loop(
        tmp_path, replace(QUICK, preset="smoke"), {"search": Family([-1.0] * 4)}, lab=FakeLab
    )
    made.run()
    overview = Overview.load(made.ledger, made.ledger.sessions()[0])
    summary, page = write_summary(overview, tmp_path)
    assert "Of 4 proposals: 4 refused." in summary.read_text()
    assert "no proposal" in page.read_text()
    assert "scores mean nothing" in page.read_text()


def test_why_a_search_ended_stays_text_too(tmp_path, capsys):
    from archer.cli.show_research import show_status

    class Failing(Family):
        def ask(self, history):
            raise ProposalError(f"refused: {VILE}")

    made = loop(tmp_path, replace(QUICK, budget=Budget(9)), {"search": Failing()})
    assert "<script>" in made.run()
    overview = Overview.load(made.ledger, made.ledger.sessions()[0])
    show_status(overview)
    pages = [path.read_text() for path in write_summary(overview, tmp_path)]
    for text in (capsys.readouterr().out, *pages):
        assert "came to nothing" in text
        assert "<script>" not in text
        assert "\x1b" not in text


def test_commands_on_a_folder(searched, capsys):
    from archer.cli.research import research

    made, _, folder = searched
    entry = made.entries("search")[0]
    research(("status", str(folder)))
    said = capsys.readouterr().out
    assert "Of 4 proposals: 2 promoted, 1 refused, 1 weeded." in said
    research(("tree", str(folder)))
    assert entry.id in capsys.readouterr().out
    research(("show", str(folder), entry.id))
    said = capsys.readouterr().out
    assert "S + 0.9 * dS" in said
    assert "\x1b[2J" not in said
    with pytest.raises(ArcherError, match="name the folder of rules with --to"):
        research(("promote", str(folder), entry.id))
    with pytest.raises(ArcherError, match="write status DIR"):
        research(("state", str(folder)))
    with pytest.raises(ArcherError, match="--proposer llm needs --model"):
        research(proposer="llm", device="cpu", out=folder)
    with pytest.raises(ArcherError, match="--model is not an option of --proposer evolution"):
        research(model="m", device="cpu", out=folder)


def test_no_terminal_is_too_narrow_for_the_tree(searched, capsys, monkeypatch):
    from rich.console import Console

    from archer.cli import show_research

    made, overview, _ = searched
    narrow = Console(width=20, highlight=False, soft_wrap=True)
    monkeypatch.setattr(show_research, "console", narrow)
    show_research.show_tree(overview)
    lines = capsys.readouterr().out.splitlines()
    assert overview.where in lines[0]
    for entry in made.entries("search"):
        (line,) = (line for line in lines if f"{entry.id} {entry.name} " in line)
        assert entry.outcome in line
        assert line == line.rstrip()


def test_other_stores_say_so(tmp_path):
    from archer.cli.research import research

    for there, typed in ((tmp_path, tmp_path), (tmp_path / "a b", f"'{tmp_path}/a b'")):
        said = f"{there}: no search there; `archer research --out {typed}` begins one"
        for verb in ("status", "resume"):
            with pytest.raises(ArcherError, match=re.escape(said)):
                research((verb, str(there)))


def test_rules_that_train_are_counted_in_words(tmp_path):
    for n, said in ((1, "Of 1 proposal: 1 trains."), (2, "Of 2 proposals: 2 train.")):
        settings = replace(QUICK, preset="smoke", budget=Budget(n))
        made = loop(tmp_path / str(n), settings, lab=FakeLab)
        made.run()
        assert outcome(Overview.load(made.ledger, made.ledger.sessions()[0]))[0] == said


def test_what_confines_is_said_whole(monkeypatch, capsys):
    from archer.cli.research import _say_protection

    layers = (*(f"layer {n}" for n in range(40)), "no landlock: not in this kernel")
    monkeypatch.setattr("archer.research.sandbox.protection", lambda: layers)
    _say_protection()
    assert capsys.readouterr().err.endswith("layer 39, no landlock: not in this kernel\n")


def test_a_rule_tested_on_smoke_only_is_promoted_with_a_note(tmp_path, monkeypatch, capsys):
    from archer.cli.research import research
    from archer.research.verdict import Gated

    made = loop(tmp_path, replace(QUICK, preset="smoke", budget=Budget(1)))
    made.run()
    (entry,) = made.entries("search")
    passed = Gated((), entry.graph)  # the gates take seconds
    monkeypatch.setattr("archer.research.promote.gate", lambda proposal, known: passed)
    research(("promote", str(tmp_path), entry.id), to=tmp_path / "rules")
    assert "note: this rule was never measured: smoke tells" in capsys.readouterr().err
    text = " ".join((tmp_path / "rules" / "scaled0.py").read_text().replace("# ", "").split())
    assert "This rule was never measured" in text
    assert "Validation accuracy" not in text
    research(("tree", str(tmp_path)))
    assert capsys.readouterr().out.endswith(" trains\n")  # and none is best

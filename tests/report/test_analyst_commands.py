"""verify, report and compare on the command line: what they print and their exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archer.cli import main
from archer.report.files import write_results

SEED = Path(__file__).parents[1] / "data" / "seed_results.csv"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def archer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "80")

    def run(*args: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def report(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "told.md"
        path.write_text(text)
        return path

    return write


def test_a_true_report_is_confirmed(archer, report):
    path = report(
        "# Report\n\nMomentum reaches 0.432 on Compress. It is 0.009 below the baseline.\n"
    )
    code, out, _ = archer("verify", path, "--table", SEED)
    assert code == 0
    assert out.splitlines()[-1] == (
        "2 statements about scores: 2 confirmed, 0 refuted, 0 rounding, 0 unchecked"
    )


def test_an_error_is_refuted_with_its_line_and_the_true_figure(archer, report):
    path = report(
        "# Report\n\nMomentum averages 0.619.\n\nDelta is 0.010 above [it](x) on Compress.\n"
    )
    code, out, _ = archer("verify", path, "--table", SEED)
    assert code == 1
    assert out.splitlines()[0] == (
        "    3  refuted    Momentum averages 0.619.  (stated 0.619, true 0.6352)"
    )
    assert "[it](x)" in out  # no markup of ours is read into the statement


def test_json_is_a_list_of_objects_with_the_agreed_keys(archer, report):
    path = report("Momentum averages 0.619, and softmax attention will reach 0.9 on Memorize.\n")
    code, out, _ = archer("verify", path, "--table", SEED, "--json")
    assert code == 1
    first, second = json.loads(out)
    assert set(first) == {"line", "text", "status", "stated", "actual", "note"}
    assert (first["line"], first["status"], first["stated"]) == (1, "refuted", 0.619)
    assert first["actual"] == pytest.approx(0.635233, abs=1e-6)
    assert (second["status"], second["note"]) == ("unchecked", "prediction")


def test_a_text_without_statements_is_no_error(archer, report):
    code, out, _ = archer("verify", report("Nothing to see.\n"), "--table", SEED)
    assert (code, out.split(":")[0]) == (0, "0 statements about scores")
    assert archer("verify", report("Hello.\n"), "--table", SEED, "--json")[1].strip() == "[]"


def refused(ran: tuple[int, str, str], message: str) -> None:
    code, out, err = ran
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert message in err


def test_bad_input_costs_one_line_and_exit_code_2(archer, report, tmp_path):
    path = report("Momentum averages 0.619.\n")
    refused(archer("verify", tmp_path / "none.md", "--table", SEED), "no report at")
    refused(archer("verify", path, "--table", tmp_path / "none.csv"), "no table at")
    refused(archer("verify", path, "--table", tmp_path), "no table at")
    refused(archer("verify", tmp_path / "page.html", "--table", SEED), "pages are not read")
    (tmp_path / "words.csv").write_text("a,b\nx,y\n")
    refused(archer("verify", path, "--table", tmp_path / "words.csv"), "no numeric columns")
    refused(archer("report", tmp_path), "holds no trials.csv")
    refused(archer("report", tmp_path / "none"), "is not a folder")
    refused(archer("compare", tmp_path, tmp_path / "none"), "holds no trials.csv")


def test_report_writes_where_and_what_it_is_told(archer, noisy, tmp_path):
    write_results(noisy(2), tmp_path)
    (tmp_path / "report.md").unlink()
    code, out, _ = archer("report", tmp_path, "--against", "momentum", "--format", "md")
    assert (code, out) == (0, f"wrote {tmp_path / 'report.md'}\n")
    assert "## Difference to `momentum`" in (tmp_path / "report.md").read_text()
    archer("report", tmp_path, "--out", tmp_path / "new.html")
    assert "<svg" in (tmp_path / "new.html").read_text()
    refused(archer("report", tmp_path, "--against", "detla"), "--against detla: not among")
    refused(archer("report", tmp_path, "--out", tmp_path / "x.pdf"), "must be .md or .html")


def test_compare_prints_every_cell_and_what_is_missing(archer, noisy, tmp_path):
    for name, seeds in (("a", 3), ("b", 2)):
        (tmp_path / name).mkdir()
        write_results(noisy(seeds), tmp_path / name)
    code, out, _ = archer("compare", tmp_path / "a", tmp_path / "b")
    assert code == 0
    assert "- only in A: seed 2" in out
    assert out.splitlines()[-1] == "24 cells in both: 24 unchanged"
    row = next(line.split() for line in out.splitlines() if line.startswith("momentum"))
    assert row[:5] == [
        "momentum",
        "Compress",
        "0.506",
        "0.506",
        "+0.000",
    ]  # over the two shared seeds


def test_two_protocols_are_refused(archer, noisy, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_results(noisy(1), tmp_path / name)
    trials = tmp_path / "b" / "trials.csv"
    trials.write_text(trials.read_text().replace(",strict,", ",mad-lab,"))
    refused(archer("compare", tmp_path / "a", tmp_path / "b"), "run both under one protocol")

"""On a narrow terminal tables are wider than it: numbers stay whole, names are folded."""

import re
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from archer.cli import main, show, show_analysis, show_research
from archer.cli.tables import Whole, frame_table

NUMBER = re.compile(r"[-+±]?\d+\.\d+=?")


def terminal(columns: int, **options: Any) -> Console:
    """Without codes for colour and weight."""
    return Console(width=columns, soft_wrap=True, force_terminal=True, color_system=None, **options)


@pytest.fixture
def printed(capfd, monkeypatch):
    """What a command prints on a terminal of so many columns."""

    def run(columns: int, *args: object) -> str:
        for module in (show, show_analysis, show_research):
            console = terminal(columns, highlight=False)
            monkeypatch.setattr(module, "console", console)
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        assert not ended.value.code
        return capfd.readouterr().out

    return run


def numbers(text: str) -> list[str]:
    return sorted(NUMBER.findall(text))


BENCH = (
    *("bench", "delta", "momentum", "--preset", "smoke", "--seeds", "2", "--device", "cpu"),
    *("--tasks", "in-context-recall", "memorization"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a benchmark with seeds, whose cells are the widest."""
    out = tmp_path_factory.mktemp("bench")
    with pytest.raises(SystemExit) as ended:
        main([*BENCH, "--out", str(out)])
    assert not ended.value.code
    return out


@pytest.mark.parametrize("columns", [20, 40])
@pytest.mark.parametrize("command", ["status", "compare", "bench", "rebuilt"])
def test_a_narrow_terminal_is_shown_the_same_numbers(printed, folder, tmp_path, columns, command):
    args = {
        "status": ["status", folder],
        "compare": ["compare", folder, folder],
        "bench": [*BENCH, "--out", folder],
        "rebuilt": ["bench", "--from", tmp_path / "mine", "--out", tmp_path / "again"],
    }[command]
    if command == "rebuilt":
        printed(200, "record", folder, "--out", tmp_path, "--name", "x")
        next(tmp_path.glob("*-x")).rename(tmp_path / "mine")
    wide, narrow = printed(200, *args), printed(columns, *args)
    assert len(numbers(wide)) >= 4
    assert numbers(narrow) == numbers(wide)
    assert "…" not in narrow


def drawn(table: Whole, columns: int) -> str:
    console = terminal(columns)
    with console.capture() as shown:
        console.print(table)
    return shown.get()


@pytest.mark.parametrize("columns", [1, 20, 40, 80])
def test_numbers_are_whole_and_names_are_folded(columns):
    table = Table("rule", box=None, pad_edge=False)
    for name in ("Context Recall", "Fuzzy Recall", "Average"):
        table.add_column(name, justify="right")
    name = "a_rule_of_a_very_long_name_that_nobody_would_want_to_type"
    table.add_row(name, "[bold]0.123=\n±0.011[/bold]", "+0.100 to +0.200", "12345.678901")
    text = drawn(Whole(table), columns)
    shown = {"0.123=", "±0.011", "+0.100", "+0.200", "12345.678901"}
    assert set(numbers(text)) == shown
    assert "Average" in text
    assert "…" not in text
    folded = "".join(line.split(" ")[0] for line in text.splitlines())
    assert folded == f"rule{name}" or name in text


def test_a_frame_of_text_is_a_table_that_markup_does_not_change():
    frame = pd.DataFrame({"[0, 1]": ["0.250 ±0.125 *"]}, index=["mu=[bold]"])
    assert drawn(frame_table(frame), 80).split() == [
        "[0,",
        "1]",
        "mu=[bold]",
        "0.250",
        "±0.125",
        "*",
    ]
    assert numbers(drawn(frame_table(frame), 5)) == ["0.250", "±0.125"]


def test_a_table_that_fits_is_as_it_was():
    frame = pd.DataFrame({"Average": ["0.250"]}, index=["delta"])
    assert drawn(frame_table(frame), 80) == "       Average\ndelta    0.250\n"


def test_where_there_is_room_for_them_names_stay_whole_and_what_stands_above_numbers_folds():
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    table.add_column("rule", no_wrap=True)
    for _ in range(3):
        table.add_column("Selective Copy", justify="right")
    table.add_row("softmax_attention", "0.123", "0.456", "0.789")
    console = terminal(50)
    with console.capture() as capture:
        console.print(Whole(table))
    lines = capture.get().splitlines()
    assert [line.split()[0] for line in lines] == ["Selective", "rule", "softmax_attention"]
    assert max(map(len, lines)) <= 50


def test_in_a_file_or_a_pipe_no_name_is_folded(monkeypatch):
    table = Table("rule", "task", box=None, pad_edge=False)
    table.add_column("Context Recall", justify="right")
    names = ["a_rule_of_a_very_long_name_that_fills_a_line_of_its_own", "fuzzy-in-context-recall"]
    table.add_row(*names, "0.123")

    def written() -> str:
        console = Console(soft_wrap=True)  # as the command line makes it
        with console.capture() as shown:
            console.print(Whole(table))
        return shown.get()

    monkeypatch.delenv("COLUMNS", raising=False)
    assert [*names, "0.123"] in [line.split() for line in written().splitlines()]
    monkeypatch.setenv("COLUMNS", "60")  # asked for
    assert not any(names[0] in line for line in written().splitlines())

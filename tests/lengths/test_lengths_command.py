"""`archer lengths`: what it prints, and what it exits with."""

import shutil

import pytest

import archer
from archer.cli.lengths import lengths
from archer.errors import ArcherError


def test_measuring_prints_the_tables_and_where_the_files_are(trained, tmp_path, capsys):
    out = tmp_path / "there"
    assert lengths(trained, length=64, sequences=2, since=32, rules=("delta",), out=out) is None
    said = capsys.readouterr()
    assert "1 of 2 models measured: delta, seed 0" in said.err
    assert "up to 64 tokens" in said.out
    assert "delta, memory, layer 0" in said.out
    assert "± is the standard deviation over seeds; in brackets the 95 % interval" in said.out
    assert f"wrote {out}: lengths.csv, report.md" in said.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]


def test_a_sweep_in_the_same_store_is_not_in_the_way(trained, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "mine")

    def sweep(out):
        only = {"preset": "smoke", "tasks": ["in-context-recall"], "seeds": 1, "device": "cpu"}
        archer.sweep("momentum", set=["momentum.mu=0.3"], **only, out=out, progress=False)

    sweep(folder)
    out = tmp_path / "there"
    lengths(folder, length=64, sequences=2, since=32, rules=("delta",), out=out)
    assert "models measured: delta, seed 0" in capsys.readouterr().err
    alone = tmp_path / "alone"
    sweep(alone)
    with pytest.raises(ArcherError, match="holds no benchmark, but a sweep, of which no table is"):
        lengths(alone, out=tmp_path / "other")


def test_rebuilding_tells_whether_it_is_the_same(record, tmp_path, capsys):
    assert lengths(from_=record) == 0
    assert capsys.readouterr().out.endswith("\nequal to the record's files\n")
    copy = shutil.copytree(record, tmp_path / "copy")
    with open(copy / "report.md", "a") as report:
        report.write("and more")
    assert lengths(from_=copy) == 1
    assert "not equal: report.md is not what lengths.csv gives" in capsys.readouterr().out


def test_one_folder_is_needed(record):
    for call in (lengths, lambda: lengths(record, from_=record)):
        with pytest.raises(ArcherError, match="give the folder of a benchmark, or --from"):
            call()

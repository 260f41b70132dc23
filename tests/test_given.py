"""Options given twice, with no or a wrong value, or not heeded, are refused in one line."""

import inspect

import pytest
import torch

from archer.cli import COMMANDS, main
from archer.cli.given import check_once
from archer.cli.record import record
from archer.errors import ArcherError
from archer.store import open_store

FROM = "--from rebuilds a record as it is: give no {} with it"


@pytest.fixture
def refused(capfd, monkeypatch, tmp_path):
    """Run a command that is refused in one line and writes nothing; returns the line."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*args])
        found = capfd.readouterr()
        assert (ended.value.code, found.out, found.err.count("\n")) == (2, "", 1), found
        assert list(tmp_path.iterdir()) == []
        return found.err.removeprefix("error: ").rstrip("\n")

    return run


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["bench", "--seeds", "x"], "--seeds x: a whole number is needed"),
        (["bench", "--heads=1.5"], "--heads 1.5: a whole number is needed"),
        (["bench", "--preset", "nope"], "--preset nope: use one of smoke, quick, core, mad"),
        (["bench", "--precision", "fp16"], "--precision fp16: use one of fp32, bf16"),
        (["bench", "--seeds"], "--seeds stands without a value"),
        (["sweep", "delta", "--lr", "0.1", "b"], "--lr b: a number is needed"),
        (["research", "--hours", "a"], "--hours a: a number is needed"),
        (["record", "x", "--runs", "1", "z"], "--runs z: a whole number is needed"),
    ],
)
def test_a_value_of_the_wrong_kind_costs_one_line(refused, args, message):
    assert refused(*args) == message


@pytest.mark.parametrize("command", COMMANDS)
def test_what_every_option_takes_is_no_value_of_the_wrong_kind(command):
    """Of each the default, where it has one that can be written; of a number one below zero."""
    for option in inspect.signature(COMMANDS[command]).parameters.values():
        if option.kind is not option.KEYWORD_ONLY or option.default in (None, (), option.empty):
            continue
        flag = f"--{option.name.replace('_', '-')}"
        if isinstance(option.default, bool):
            check_once(COMMANDS[command], [flag])
            continue
        check_once(COMMANDS[command], [flag, str(option.default)])
        check_once(COMMANDS[command], [f"{flag}={option.default}"])
        if isinstance(option.default, int | float):
            check_once(COMMANDS[command], [flag, "-1"])


SEVERAL = "is given twice: give its values once, one after the other"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["bench", "--tasks", "compression", "--tasks", "memorization"], f"--tasks {SEVERAL}"),
        (["bench", "--tasks=compression", "--tasks", "memorization"], f"--tasks {SEVERAL}"),
        (["bench", "delta", "--tasks=compression", "--tasks=compression"], f"--tasks {SEVERAL}"),
        (["sweep", "delta", "--lr", "0.1", "--lr", "0.2"], f"--lr {SEVERAL}"),
        (
            ["sweep", "delta", "--weight-decay", "0", "--weight_decay=1"],
            f"--weight-decay {SEVERAL}",
        ),
        (["record", "x", "--runs", "1", "--runs", "2"], f"--runs {SEVERAL}"),
        (["lengths", "x", "--rules", "delta", "--rules", "adam"], f"--rules {SEVERAL}"),
        (["bench", "--seeds", "1", "--seeds", "2"], "--seeds is given twice: give it once"),
        (["bench", "--dry-run", "--no-dry-run"], "--dry-run is given twice: give it once"),
        (["bench", "--from", "a", "--from=b"], "--from is given twice: give it once"),
        (["research", "promote", "S", "ID", "--to", "a", "--to", "b"], "--to is given twice"),
        (["research", "--seed", "1", "status", "--seed", "2"], "--seed is given twice"),
        (["report", "x", "--out", "a.md", "--out", "b.md"], "--out is given twice"),
        (["verify", "x", "--table", "a", "--table", "b"], "--table is given twice"),
        (["new", "my_rule", "--folder", "a", "--folder", "b"], "--folder is given twice"),
        (["export", "delta", "--out", "a", "--out", "b"], "--out is given twice"),
        (["data", "memorization", "--out=a.npz", "--out=b.npz"], "--out is given twice"),
    ],
)
def test_of_an_option_given_twice_none_is_dropped(refused, args, message):
    assert refused(*args).startswith(message)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["bench", "--presett", "quick"], "no option --presett; did you mean --preset?"),
        (["bench", "delta", "--seed=3"], "no option --seed; did you mean --seeds?"),
        (["bench", "--no-dryrun"], "no option --no-dryrun; did you mean --no-dry-run?"),
        (["status", "x", "--frobnicate"], "no option --frobnicate; see archer status --help"),
        (["research", "status", "x", "--hourss", "1"], "no option --hourss; did you mean --hours?"),
    ],
)
def test_a_misspelt_option_costs_a_line_with_the_nearest_of_its_own_command(refused, args, message):
    assert refused(*args) == f"archer {args[0]} has {message}"


def test_every_option_of_every_command_is_known_as_one_to_repeat_or_not():
    """What may be repeated says so in its help, and the other way round."""
    for command in COMMANDS.values():
        for option in inspect.signature(command).parameters.values():
            if option.kind is not option.KEYWORD_ONLY:
                continue
            name = option.name.rstrip("_").replace("_", "-")
            try:
                check_once(command, [f"--{name}", "a", f"--{name}", "b"])
                again = True
            except ArcherError:
                again = False
            assert again == (option.name in ("set", "learn", "command", "expect")), option.name


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("bench", ["--set", "a.b=1", "--set=c.d=2", "--learn", "a.b", "--learn", "c.d"]),
        ("bench", ["--tasks", "compression", "--", "--tasks"]),
        ("bench", ["--tasks", "--tasks", "--help"]),
        ("record", ["x", "--command", "archer --tasks a --tasks b", "--tasks", "a"]),
        ("record", ["x", "--command=--tasks", "--command=--tasks", "--tasks", "a"]),
        ("record", ["x", "--name=--tasks", "--tasks", "a"]),
        ("research", ["--motivation", "--tasks --tasks are too many", "--seed", "1"]),
        ("research", ["--expect", "compression=0.1", "--expect", "memorization=0.1"]),
        ("research", ["show", "seed", "seed", "--store", "store"]),
    ],
)
def test_what_may_be_repeated_and_what_only_looks_like_an_option_passes(name, args):
    check_once(COMMANDS[name], args)


@pytest.mark.parametrize("command", ["bench", "sweep", "lengths", "research"])
def test_a_record_that_is_not_there_is_not_called_a_damaged_one(refused, command):
    line = "R is no folder: --from takes a record, as archer record writes it"
    assert refused(command, "--from", "R") == line


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["sweep", "--from", "R", "--seeds", "5"], FROM.format("--seeds")),
        (["sweep", "--from", "R", "--tasks", "compression"], FROM.format("--tasks")),
        (["sweep", "delta", "--from", "R"], FROM.format("rule")),
        (["sweep", "--from", "R", "--dry-run"], FROM.format("--dry-run")),
        (["lengths", "--from", "R", "--length", "128"], FROM.format("--length")),
        (
            ["lengths", "DIR", "--from", "R"],
            "give the folder of a benchmark, or --from and a record",
        ),
        (["lengths", "--from", "R", "--device", "cpu"], FROM.format("--device")),
        (["research", "--from", "R", "--budget", "3"], FROM.format("--budget")),
        (["research", "status", "DIR", "--from", "R"], FROM.format("verb")),
        (["research", "--to", "x"], "--to is not an option of a search: write promote DIR ID"),
        (["research", "--to", "x", "--preset", "smoke"], "--to is not an option of a search"),
        (
            ["research", "status", "DIR", "--budget", "3"],
            "archer research status takes no --budget",
        ),
        (["research", "tree", "DIR", "--out", "x"], "archer research tree takes no --out"),
        (["research", "show", "DIR", "ID", "--to", "x"], "archer research show takes no --to"),
        (["research", "resume", "DIR", "--hours", "1"], "archer research resume takes no --hours"),
        (
            ["research", "promote", "DIR", "ID", "--to", "x", "--rule", "x.py"],
            "archer research promote takes no --rule",
        ),
        (["research", "status"], "archer research status: write status DIR"),
        (
            ["research", "--proposer", "manual", "--budget", "3", "--rule", "x.py"],
            "--budget 3: --proposer manual has one candidate",
        ),
        (["research", "--dollars", "1"], "--dollars is not an option of --proposer evolution"),
        (["research", "--gpu-hours", "1", "--device", "cpu"], "--gpu-hours: there is no GPU"),
        (["sweep", "delta", "--search-seed", "3"], "--search-seed is of a search"),
        (["sweep", "delta", "--trials", "3"], "--trials is of a search"),
        (["sweep", "delta", "--rates-of", "momentum"], "--rates-of is of --rates-from"),
        (["bench", "--device", "cuda", "--dry-run", "--workers", "2"], "--workers 2: processes on"),
    ],
)
def test_what_would_not_be_heeded_is_refused(refused, args, message):
    assert refused(*args).startswith(message)


def test_workers_are_not_of_a_gpu(refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for command in ("bench", "sweep"):
        said = refused(command, "delta", "--workers", "2")
        assert said.endswith("a GPU trains in one; leave it out, or say --device cpu")


def test_a_sweep_by_number_is_of_one_preset(tmp_path):
    with open_store(tmp_path / "store.db"):
        pass
    with pytest.raises(ArcherError, match="--sweep 2 says which already: leave out --preset"):
        record(str(tmp_path / "store.db"), sweep=2, preset="smoke")

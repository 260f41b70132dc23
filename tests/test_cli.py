"""The command line: what it prints, its exit codes, and that mistakes cost one clear line."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from archer.cli import COMMANDS, main
from archer.mad import pool
from archer.mad.settings import TASKS
from archer.rules.load import BUILTIN, builtin_graph, row_name
from archer.store import open_store

SMOKE = ("--preset", "smoke")


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def archer(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ran]:
    """Run a command in this process, inside an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*args: str | Path) -> Ran:
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        captured = capfd.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return run


def left(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


# --- what works ---------------------------------------------------------------------------------


def test_help_is_there_for_every_command_with_an_example(archer):
    assert all(f"• {name}" in archer("--help").out for name in COMMANDS)
    for name in COMMANDS:
        found = archer(name, "--help")
        assert found.code == 0
        assert f"Example: archer {name}" in found.out
        assert not re.search(r"None\b|default: \)", found.out), "what is left out has no value"


def test_help_answers_at_once_as_it_waits_for_no_library():
    """0.1 s; each of these alone takes longer."""
    code = (
        "import sys; from archer.cli import main\n"
        "slow = {'torch', 'numpy', 'pandas', 'scipy', 'sqlalchemy'}\n"
        "try: main(['--help'])\n"
        "finally: print(sorted(slow & {*sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "[]"


def test_rules_lists_names_equations_knobs_slots_and_signals(archer):
    found = archer("rules")
    assert found.code == 0
    blocks = {block.split()[0]: block for block in found.out.strip().split("\n\n") if block.strip()}
    for name in BUILTIN:
        assert f"{name}  {row_name(name)}" in found.out
        graph = builtin_graph(name)
        for knob in graph.knobs:
            line = f"knob {name}.{knob.name} = {knob.default:g} in [{knob.low:g}, {knob.high:g}]"
            assert line in found.out
        assert f"slots {', '.join(graph.slots) or 'none'}; signals" in found.out
        assert graph.rule_hash[:12] in found.out
    assert "S_n = S_{n-1} + m_n                         (2)" in found.out
    assert "knob adam_softmax.gamma = 0.1 in [0, 1], learned" in found.out
    assert "knob adam.eps = 1e-08 in [1e-12, 1], log scale" in found.out
    assert "signals decay (log_decay)" in found.out
    assert "delta" in blocks


def test_bench_trains_prints_the_table_and_says_what_it_wrote(archer, tmp_path, halving):
    found = archer(
        "bench",
        "delta",
        halving,
        *SMOKE,
        "--tasks",
        "memorization",
        "in-context-recall",
        "--out",
        tmp_path / "out",
    )
    assert found.code == 0
    table = [line.split() for line in found.out.splitlines()]
    assert any(row[:1] == ["delta"] and len(row) == 3 for row in table)
    assert any(row[:1] == ["halving"] and row[-1].endswith("=") for row in table)
    assert "not comparable to published ones" in found.out
    for name in ("results.csv", "trials.csv", "report.md"):
        assert str(tmp_path / "out" / name) in found.out
    assert "[4/4]" not in found.err  # halving on memorization is delta's: trained once
    assert "[3/3]" in found.err
    names = ("cells.csv", "curves.csv", "report.html", "report.md", "results.csv")
    names = (*names, "rules", "rules/halving.json", "trials.csv")
    assert left(tmp_path) == ["out", *(f"out/{name}" for name in ("archer.db", *names))]
    results = pd.read_csv(tmp_path / "out" / "results.csv", index_col=0)
    assert results.index.tolist() == ["delta_net_4layer", "halving"]
    assert results.columns.tolist() == ["Context Recall", "Memorize"]


def test_bench_passes_its_options_on(archer, tmp_path):
    found = archer(
        *("bench", "momentum", *SMOKE, "--tasks", "in-context-recall", "--seeds", "2"),
        *("--protocol", "mad-lab", "--heads", "2", "--device", "cpu", "--precision", "bf16"),
        *("--set", "momentum.mu=0.7", "--learn", "momentum.mu", "--workers", "1"),
    )
    assert found.code == 0, found.err
    trials = pd.read_csv(tmp_path / "results" / "smoke" / "trials.csv")
    assert trials["seed"].tolist() == [0, 1]
    for column, value in {
        "protocol": "mad-lab",
        "heads": 2,
        "precision": "bf16",
        "knob.mu": 0.7,
        "device": "cpu",
    }.items():
        assert set(trials[column]) == {value}
    assert {f"learned.mu.layer{i}.head{j}" for i in range(2) for j in range(2)} < set(trials)


def test_a_dry_run_counts_and_trains_nothing(archer, tmp_path):
    found = archer("bench", "delta", "--preset", "mad", "--dry-run", "--device", "cpu")
    assert found.code == 0
    assert " 396 " in found.out
    assert "identical" not in found.out
    assert "up to 5,384,400" in found.out
    for word in ("populations", "tokens", "memory", "time", "nothing was trained"):
        assert word in found.out
    assert left(tmp_path) == []


def test_all_eight_rules_by_default(archer):
    found = archer("bench", *SMOKE, "--dry-run", "--device", "cpu")
    assert "48 (40 trained" in found.out


@pytest.mark.parametrize("task", TASKS)
def test_data_writes_arrays(archer, tmp_path, task):
    found = archer("data", task, "--split", "validation", "--n", "3", "--out", "new/x.npz")
    assert found.code == 0
    assert f"3 x {np.load(tmp_path / 'new' / 'x.npz')['inputs'].shape[1]}" in found.out
    with np.load(tmp_path / "new" / "x.npz") as arrays:
        assert {name: arrays[name].dtype for name in arrays} == {
            "inputs": np.int32,
            "targets": np.int32,
        }


def test_a_new_rule_passes_check_and_trains(archer, tmp_path):
    assert archer("new", "my_rule").code == 0
    assert left(tmp_path) == ["my_rule.py"]
    found = archer("check", "my_rule.py")
    assert found.code == 0
    assert "my_rule.py: valid rule" in found.out
    found = archer(
        *("bench", "my_rule.py", *SMOKE, "--tasks", "in-context-recall"),
        *("--set", "my_rule.mu=0.25", "--out", "out"),
    )
    assert found.code == 0, found.err
    assert pd.read_csv(tmp_path / "out" / "trials.csv")["knob.mu"].tolist() == [0.25]
    found = archer("new", "my_rule", "--folder", "a b")
    assert (
        "\nnext: archer check 'a b/my_rule.py', then archer bench delta 'a b/my_rule.py'\n"
        in found.out
    )
    again = archer("new", "my_rule")
    assert (again.code, again.err.startswith("error: my_rule.py exists already")) == (2, True)


def test_export_prints_or_writes_one_file(archer, tmp_path):
    printed = archer("export", "momentum", "--to", "fla-naive")
    assert printed.code == 0
    assert "def delta_rule_chunkwise(" in printed.out
    written = archer("export", "momentum", "--out", "momentum.py")
    assert written.out == "wrote momentum.py\n"
    assert (tmp_path / "momentum.py").read_text() == printed.out


# --- what does not ------------------------------------------------------------------------------

HEAD = "import torch\nfrom archer import Knob, Rule\n\n\n"
BAD_RULES = {
    "does_not_import": ("import nothing_of_this_name\n", "does not import: ModuleNotFoundError"),
    "bad_syntax": ("class Broken(Rule)\n", "syntax error"),
    "two_rules": (
        HEAD + "class One(Rule):\n    pass\n\n\nclass Two(Rule):\n    pass\n",
        "defines 2 rules (One, Two); keep one rule per file",
    ),
    "no_rule": ("x = 1\n", "defines no rule"),
    "operation": (
        HEAD + "class Odd(Rule):\n    def gate(self, U, p):\n        return torch.fft.fft(U)\n",
        "is not an allowed operation; allowed are",
    ),
    "shape": (
        HEAD + "class Odd(Rule):\n    def gate(self, U, p):\n        return U.sum(-1)\n",
        "the result must have shape [C, d_v]",
    ),
    "nan": (
        HEAD
        + "class Odd(Rule):\n    def write(self, S, dS, slots, p):\n"
        + "        return S + torch.log(dS)\n",
        "is NaN",
    ),
    "looks_ahead": (
        HEAD
        + "class Odd(Rule):\n    def local(self, scores, p):\n"
        + "        return scores / (1 + scores.abs().sum(0))\n",
        "lets a token see later ones",
    ),
    "bad_knob": (
        HEAD + "class Odd(Rule):\n    mu = Knob(2.0, low=0.0, high=1.0)\n",
        "lies outside its bounds",
    ),
    "hides_a_built_in_rule": (
        HEAD
        + "class Momentum(Rule):\n    def write(self, S, dS, slots, p):\n"
        + "        return S + 2 * dS\n",
        "named like the built-in rule momentum: rename its class",
    ),
}


@pytest.mark.parametrize("name", BAD_RULES)
def test_a_bad_rule_file_is_refused_in_one_line(archer, tmp_path, name):
    text, message = BAD_RULES[name]
    (tmp_path / "bad.py").write_text(text)
    refused(archer("bench", "delta", "bad.py", *SMOKE), message)
    assert left(tmp_path) == ["bad.py"]
    if name == "hides_a_built_in_rule":
        return
    checked = archer("check", "bad.py")
    assert checked.code == 2
    assert "bad.py: not a valid rule" in checked.out
    assert message in checked.out


def refused(found: Ran, message: str) -> None:
    assert found.code == 2, found
    assert found.out == ""
    assert found.err.count("\n") == 1, found.err
    assert found.err.startswith("error: ")
    assert message in found.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["benhc"], "unknown command 'benhc'; did you mean 'bench'?"),
        (["train"], "unknown command 'train'; there are rules, bench, check"),
        (["bench", "detla"], "unknown rule 'detla': did you mean delta"),
        (["bench", "missing.py"], "missing.py: no such rule file"),
        (["bench", "notes.txt/"], "no such rule file"),
        (["bench", "delta", "delta"], "two rules are named delta"),
        (["bench", "--tasks", "memorisation"], "did you mean memorization"),
        (["bench", "--tasks", "--seeds", "1"], "no task given"),
        (["bench", "momentum", "--set", "momentum.mu=2"], "use a value in [0, 1]"),
        (["bench", "momentum", "--set", "momentum.mu=nan"], "is out of bounds"),
        (["bench", "momentum", "--set", "momentum.mu=much"], "'much' is not a number"),
        (["bench", "momentum", "--set", "momentum.mu"], "write NAME=VALUE"),
        (
            ["bench", "momentum", "--set", "momentum.mu=0.5", "--set", "momentum.mu=0.6"],
            "--set momentum.mu is given twice",
        ),
        (["bench", "."], "is a folder: name a rule file in it"),
        (["bench", "--tasks", "memorization", "delta"], "(rules go before --tasks)"),
        (["bench", "momentum", "--set", "momentum.m=1"], "momentum has momentum.mu"),
        (["bench", "momentum", "--set", "mu=0.5"], "a knob is written rule.knob"),
        (["bench", "momentum", "--learn", "momentum.m"], "momentum has momentum.mu"),
        (
            ["bench", "momentum", "--learn", "momentum.mu", "--set", "momentum.mu=1"],
            "cannot be learned from its bound",
        ),
        (["bench", "delta", "--seeds", "0"], "at least one seed is needed"),
        (["bench", "delta", "--workers", "0"], "at least one is needed"),
        (["bench", "delta", "--heads", "7"], "7 heads do not divide dim"),
        (["bench", "delta", "--heads", "0"], "heads is 0; it must be at least 1"),
        (["bench", "delta", "--out", "file"], "cannot write to file: File exists; choose"),
        (["bench", "delta", "--out", "file/x"], "cannot write to file/x: Not a directory; choose"),
        (["export", "detla"], "unknown rule 'detla': did you mean delta"),
        (["export", "delta", "--out", "file/x.py"], "Not a directory; choose another place"),
        (["export", "delta", "--out", "missing/x.py"], "No such file or directory; choose"),
        (["export", "delta", "--out", "."], "it is a folder; name a file in it"),
        (["check", "detla"], "unknown rule 'detla': did you mean delta"),
        (["new", "My-Rule"], "'My-Rule' cannot be a rule's name; use lower-case words"),
        (["new", "delta"], "'delta' is a built-in rule; choose another name"),
        (["new", "my_rule", "--folder", "file/x"], "cannot make the folder file/x"),
        (["data", "memorisation", "--out", "x.npz"], "did you mean memorization"),
        (["data", "memorization", "--out", "x.npy"], "must end in .npz"),
        (["data", "memorization", "--out", "file/x.npz"], "cannot write to file"),
        (["data", "memorization", "--out", "x.npz", "--n", "0"], "use at least 1"),
        (["data", "memorization", "--out", "x.npz", "--seed", "-1"], "use 0 or more"),
        (["data", "memorization", "--out", "x.npz", "--set", "size=3"], "no such field; it has"),
        (["data", "memorization", "--out", "x.npz", "--set", "seq_len=x"], "seq_len=x: not int"),
        (["data", "memorization", "--out", "x.npz", "--set", "seq_len=3"], "use an even number"),
    ],
)
def test_a_mistake_costs_one_line_exit_code_2_and_no_files(archer, tmp_path, args, message):
    (tmp_path / "file").write_text("kept")
    preset = SMOKE if args[0] == "bench" else ()
    refused(archer(*args, *preset), message)
    assert left(tmp_path) == ["file"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said(archer, tmp_path):
    refused(
        archer("bench", "delta", "--device", "cuda"), "torch sees no GPU here; use --device cpu"
    )
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("args", "names"),
    [
        ([], "bench"),
        (["bunch"], "bench"),
        (["bench", "--presets", "smoke"], "--preset"),
        (["bench", "--preset", "large"], "smoke"),
        (["bench", "--seeds", "two"], "--seeds"),
        (["bench", "--protocol", "loose"], "mad-lab"),
        (["bench", "--device", "tpu"], "cuda"),
        (["bench", "--precision", "fp8"], "bf16"),
        (["data", "memorization"], "--out"),
        (["data", "memorization", "--out", "x.npz", "--split", "valid"], "validation"),
        (["export", "delta", "--to", "onnx"], "fla-naive"),
        (["new"], "NAME"),
    ],
)
def test_options_that_do_not_exist_are_refused_by_name(archer, tmp_path, args, names):
    found = archer(*args)
    assert found.code == 2
    assert found.out == ""
    assert names in found.err
    assert "Traceback" not in found.err
    assert left(tmp_path) == []


def test_a_full_disk_leaves_no_half_written_results(archer, tmp_path, monkeypatch):
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    found = archer("bench", "delta", *SMOKE, "--tasks", "memorization", "--out", "out")
    assert found.code == 2
    assert found.err.splitlines()[-1].startswith("error: cannot write out/trials.csv: No space")
    assert left(tmp_path) == ["out", "out/archer.db"]


# --- as processes -------------------------------------------------------------------------------


def start(folder: Path, *args: str) -> subprocess.Popen[str]:
    """A benchmark too long to end by itself, in a process group of its own as in a terminal."""
    code = (  # Ctrl-C is ignored in what a script starts in the background, and its children
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from archer.cli import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, "bench", *args],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def workers(process: subprocess.Popen[str]) -> set[int]:
    """Children that are workers, and not git, which says the commit and is gone again."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end meanwhile
            if parent(int(folder.name)) == process.pid:
                command = (folder / "cmdline").read_bytes()
                found |= {int(folder.name)} if b"archer.mad.worker" in command else set()
    return found


def parent(pid: int) -> int | None:
    """Of a living process; None if there is none, or it is dead and not yet buried."""
    with suppress(OSError):
        state, its_parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        return None if state in "ZX" else int(its_parent)
    return None


@pytest.mark.parametrize("moment", ["workers are starting", "a population has ended"])
def test_ctrl_c_ends_everything_with_one_message_and_no_results(tmp_path, moment):
    with start(tmp_path, "delta", *SMOKE, "--seeds", "8", "--workers", "2") as process:
        try:
            while len(found := workers(process)) < 2:
                assert process.poll() is None
                time.sleep(0.02)
            if moment == "a population has ended":
                assert process.stderr is not None
                assert process.stderr.readline().startswith("[1/6]")
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    *before, last = err.splitlines()
    assert (process.returncode, out) == (130, "")
    kept = int(last.split()[1])
    assert (kept > 0) == (moment == "a population has ended")
    file = Path("results") / "smoke" / "archer.db"
    assert last == f"stopped: {kept} of 48 trials are kept in {file}; the same command continues"
    assert all(line.startswith("[") for line in before)
    with open_store(tmp_path / file.parent) as store:
        ids = {trial for plan in store.plans() for _, _, trial, _ in plan["rows"]}
        assert len(store.results(sorted(ids))) == kept
        waiting = {id for id, state in store.states(sorted(ids)).items() if state[0] == "waiting"}
    assert len(waiting) == 48 - kept
    files = {p for p in tmp_path.rglob("*") if p.is_file()} - {tmp_path / file}
    left = {p for p in files if p.parent == tmp_path / file.parent / "checkpoints"}
    assert files == left, "checkpoints of what was running, and nothing else"
    assert {p.suffix for p in left} <= {".safetensors"}
    assert {p.stem for p in left} <= waiting
    # one that was only just born ends by itself, as its input has ended
    deadline = time.monotonic() + 300
    while any(parent(pid) is not None for pid in found):
        assert time.monotonic() < deadline, "a worker goes on"
        time.sleep(0.02)


@pytest.mark.usefixtures("workers")
def test_a_killed_worker_costs_its_population_and_the_table_says_so(archer, tmp_path, monkeypatch):
    started = []

    def dying(device: str, threads: int) -> subprocess.Popen[str]:
        """The first one is killed as soon as it has its population, the longest."""
        started.append(device)
        if len(started) > 1:
            return real(device, threads)
        code = "import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 9)"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-c", code], **pipes)

    real = pool._start
    monkeypatch.setattr(pool, "_start", dying)
    tasks = ("--tasks", "memorization", "in-context-recall")
    found = archer("bench", "delta", *SMOKE, *tasks, "--seeds", "2", "--workers", "1")
    assert found.code == 0
    assert "failed: worker process was killed, perhaps for want of memory" in found.err
    trials = pd.read_csv(tmp_path / "results" / "smoke" / "trials.csv")
    lost = trials[trials["status"] == "failed"]
    assert lost["task"].tolist() == ["in-context-recall"] * 2
    assert set(lost["reason"]) == {"worker process was killed, perhaps for want of memory"}
    assert trials.loc[trials["status"] == "finished", "task"].tolist() == ["memorization"] * 2
    assert "no score" in found.out
    assert "trials on Context Recall failed: worker process was killed" in found.out


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    code = "from archer.cli import main; main(['rules'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["delta"], "rules"),
        (["--dry-run"], "--dry-run"),
        (["--seeds", "3"], "--seeds"),
        (["--set", "momentum.mu=0.5"], "--set"),
        (["--save-weights", "--out", "there"], "--save-weights"),
        (["--store", "there.db"], "--store"),
    ],
)
def test_what_a_record_would_not_heed_is_refused_with_it(archer, tmp_path, args, named):
    found = archer("bench", *args, "--from", "a_record")
    refused(found, f"--from rebuilds a record as it is: give no {named} with it")
    assert left(tmp_path) == []

"""The benchmarks as far as they run without a GPU: checks, refusals, floors, slopes, pictures."""

import json
import math
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch.nn import functional

pytest.importorskip("triton")
FOLDER = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(FOLDER))

import clocks  # noqa: E402
import common  # noqa: E402
import epochs  # noqa: E402
import kernel_check  # noqa: E402
import kernels  # noqa: E402
import madlab  # noqa: E402
import one_model  # noqa: E402
import pictures  # noqa: E402
import step_cases  # noqa: E402
import step_check  # noqa: E402
import training  # noqa: E402

from archer.mad.presets import smoke  # noqa: E402
from archer.memory.recurrent import recurrent  # noqa: E402
from archer.rules.load import builtin_graph  # noqa: E402

NAN = math.nan


# ---- epochs


def test_an_epoch_is_its_steps_its_scoring_and_the_host() -> None:
    sizes = [(f"num_{split}_examples", "32") for split in ("train", "validation", "test")]
    case = epochs.Case("compression", (*sizes, ("seq_len", "8")), seeds=2)
    preset = replace(smoke(), epochs=9)
    found = epochs.measure(case, "delta", torch.device("cpu"), preset)
    members = 2 * len(preset.lrs) * len(preset.weight_decays)
    assert (found.members, found.trained, found.scored) == (members, members * 256, members * 512)
    assert min(found.epoch, found.steps, found.scoring) > 0
    assert found.epoch == pytest.approx(found.steps + found.scoring + found.host)
    assert "compression/num_train_examples=32" in epochs.show([found])


# ---- common


def test_exponent_is_that_of_a_power_law_and_skips_what_was_not_measured() -> None:
    sizes = [1, 6, 24, 48]
    times = [3 * s**1.25 for s in sizes]
    assert common.exponent(sizes, times) == pytest.approx(1.25)
    assert common.exponent([*sizes, 96], [*times, NAN]) == pytest.approx(1.25)
    assert math.isnan(common.exponent([6, 6], [1.0, 2.0]))


def test_slope_gives_time_per_token_by_size() -> None:
    found = common.slope("length", {1024: (4.0, 2_000_000), 128: (1.0, 1_000_000)})
    assert found["ns_per_token"] == {128: pytest.approx(1.0), 1024: pytest.approx(2.0)}
    assert found["last_to_first"] == pytest.approx(2.0)
    assert found["exponent"] == pytest.approx(math.log(4) / math.log(8))


def test_relative_error_of_a_loss_that_is_not_finite_is_infinite() -> None:
    assert common.relative_error(0.99, 1.0) == pytest.approx(0.01)
    assert common.relative_error(NAN, 1.0) == common.relative_error(1.0, math.inf) == math.inf


def test_table_aligns_and_marks_what_is_missing() -> None:
    text = common.table(("rule", "ms"), [("delta", 1.23456), ("adam_softmax", NAN)])
    assert text.splitlines() == [
        "rule             ms",
        "delta         1.235",
        "adam_softmax      -",
    ]


def test_json_is_strict_and_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.json"
    common.write_json(path, {"ms": NAN, "at": {128: 1.5}, "shape": (1, 2)})
    strict = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert strict == {"ms": None, "at": {"128": 1.5}, "shape": [1, 2]}
    common.write_json(None, {})


def test_precompile_does_every_job_and_names_those_that_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [tmp_path / "a", tmp_path / "nowhere" / "b", tmp_path / "c"]
    common.precompile(2, Path.touch, jobs)
    assert jobs[0].exists()
    assert jobs[2].exists()
    said = capsys.readouterr().out
    assert said.count("compiling ahead failed") == 1
    assert "FileNotFoundError" in said


def test_versions_name_everything_a_figure_depends_on() -> None:
    found = common.versions(("no-such-package",))
    wanted = {"card", "driver", "cuda", "python", "torch", "triton", "flash-linear-attention"}
    assert wanted <= set(found)
    assert found["torch"] == torch.__version__
    assert found["no-such-package"] == "not installed"


@pytest.mark.parametrize(
    ("script", "arguments"), [(training, []), (kernels, []), (madlab, ["nowhere"])]
)
def test_scripts_say_in_one_line_that_they_need_a_gpu(
    script: types.ModuleType, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    with pytest.raises(SystemExit, match="needs a GPU") as stop:
        script.main()
    assert "\n" not in str(stop.value)


# ---- the training step


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_check, "BATCH", 4)
    monkeypatch.setattr(step_check, "EXAMPLES", 4)


def test_the_step_check_accepts_the_step_and_refuses_another_rules(small: None) -> None:
    reference = step_check.reference.__wrapped__
    expected = reference("delta", 1, 128, "cpu")
    assert (expected[1:] < expected[:-1]).all()  # learned at once
    found = step_check.losses_of("delta", 1, 128, "cpu", "fp32")
    assert step_check.worst(found, expected) < 1e-4  # fp32, eight steps of Adam
    other = reference("momentum", 1, 128, "cpu")
    assert step_check.worst(other, expected) > 10 * step_check.LIMIT


def test_the_step_check_sees_a_wrong_gradient(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = step_check.reference.__wrapped__("delta", 1, 40, "cpu")
    real = step_check.population

    def broken(*arguments: object):
        running = real(*arguments)
        train = running.network.engine.train

        def half_blind(*batch: object):
            losses = train(*batch)
            flat = running.network.flat
            flat.grads[:, flat.places["blocks.0.mixer.conv.weight"]] *= -1
            return losses

        running.network.engine.train = half_blind
        return running

    monkeypatch.setattr(step_check, "population", broken)
    found = step_check.losses_of("delta", 1, 40, "cpu", "fp32")
    assert step_check.relative_error(float(found[0, 0]), float(expected[0, 0])) < 1e-5
    assert step_check.worst(found, expected) > step_check.LIMIT


def test_a_case_whose_check_fails_has_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (0.011, NAN, math.inf):
        monkeypatch.setattr(training, "error_of", lambda *_, error=error: error)
        row = training.measure(training.Case(48, 128), 4e12)
        assert math.isnan(row.ms)
        assert math.isnan(row.rate)
        assert row.note == "check failed: no speed"


def test_a_case_that_raises_is_a_row_without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> float:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(training, "error_of", burst)
    row = training.attempt(training.Case(48, 128), 4e12)
    assert math.isnan(row.ms)
    assert row.note == "failed: RuntimeError: out of memory"


def test_floor_is_that_of_the_performance_page() -> None:
    case = step_cases.Case(48, 128)
    assert step_cases.floor_ms(case, 410_000, 4.3e12) == pytest.approx(8.7, rel=0.01)
    assert math.isnan(step_cases.floor_ms(step_cases.Case(48, 128, "adam"), 410_000, 4.3e12))


def row(P: int, T: int, ms: float, rule: str = "delta", floor: float = NAN) -> step_cases.Row:
    return step_cases.Row(step_cases.Case(P, T, rule), 1e-3, ms, 0.1, 1.0, floor, 400_000)


ROWS = [row(1, 128, 1.0, floor=0.2), row(48, 128, 20.0, floor=8.0), row(6, 1024, 22.0),
        row(1, 128, 10.0, one_model.FLA), row(24, 128, NAN)]  # fmt: skip


def test_step_slopes_leave_out_what_was_not_measured() -> None:
    found = {each["size"]: each for each in step_cases.slopes(ROWS)}
    population = found["population at length 128"]
    assert population["exponent"] == pytest.approx(math.log(20) / math.log(48))
    assert list(population["ns_per_token"]) == [1, 48]
    length = found[f"length at {48 * 128 * 128} tokens a step"]
    assert length["last_to_first"] == pytest.approx(1.1)
    assert len(found) == 2


def test_step_table_sets_rates_beside_one_model_at_a_time() -> None:
    lines = step_cases.show(ROWS).splitlines()
    cells = lines[2].split()
    assert cells[:3] == ["delta", "48", "128"]
    assert float(cells[7]) == pytest.approx(48 * 128 * 128 / 20e-3 / 1e6, rel=1e-3)
    assert float(cells[10]) == pytest.approx(48 * 10 / 20)
    assert lines[-2].startswith("against population at length 128: time ~ size^0.774")


def test_step_cases_cover_the_populations_of_the_issue() -> None:
    asked = {(P, 128) for P in (1, 6, 24, 48, 96)} | {(P, 1024) for P in (1, 6, 12)}
    delta = {(c.P, c.T) for c in training.CASES if (c.rule, c.heads) == ("delta", 1)}
    assert asked <= delta
    assert {c.T for c in training.CASES if c.rule == one_model.FLA} == {128, 1024}


def test_training_measures_the_rules_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "fla_available", lambda: True)
    assert training.chosen(training.parse([]).rules, False) == list(training.CASES)
    few = training.chosen(["momentum", "adam"], False)
    assert [(case.P, case.rule) for case in few] == [(48, "momentum"), (48, "adam")]
    assert training.chosen([one_model.FLA], True) == [training.Case(1, 128, one_model.FLA)]
    monkeypatch.setattr(training, "fla_available", lambda: False)
    assert training.chosen([one_model.FLA], True) == []
    with pytest.raises(SystemExit):
        training.parse(["--rules", "nonsense"])


def test_a_part_of_the_cases_names_those_it_lacks() -> None:
    rows = [step_cases.Row(case, 1e-3) for case in training.CASES]
    assert training.as_record(rows, 4e12)["missing"] == []
    lacking = training.as_record(rows[1:], 4e12)["missing"]
    assert lacking == ["delta, 1 members, length 128, 1 head(s)"]


# ---- clocks


def answers(monkeypatch: pytest.MonkeyPatch, known: str, *lines: str) -> None:
    """nvidia-smi knows one query and answers it with these lines, the last one for ever."""
    left = list(lines)

    def run(ask: list[str], **_: object) -> subprocess.CompletedProcess:
        if ask[1] != f"--query-gpu={known}":
            raise subprocess.CalledProcessError(2, ask)
        return subprocess.CompletedProcess(ask, 0, left.pop(0) if left[1:] else left[0])

    monkeypatch.setattr(clocks.subprocess, "run", run)


def steadily(monkeypatch: pytest.MonkeyPatch) -> tuple[float, clocks.Clocks]:
    monkeypatch.setattr(clocks.torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(clocks, "_card", list)
    return clocks.steady(lambda: clocks.time.sleep(1e-3), 0.5)


def test_clocks_are_medians_of_the_later_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, clocks.QUERIES[1], "345, 80.0, 0x1\n", "1500, 699.5, 0x4\n")
    ms, found = steadily(monkeypatch)
    assert ms > 1
    assert found == clocks.Clocks(1500.0, 699.5, "power 100%")
    assert clocks.summary([["9", "9"], ["1200", "[N/A]"]]).sm_mhz == 1200.0


def test_without_nvidia_smi_no_clock_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr(clocks.subprocess, "run", absent)
    ms, found = steadily(monkeypatch)
    assert ms > 1
    assert math.isnan(found.sm_mhz)
    assert math.isnan(found.watts)
    assert found.limits == ""


@pytest.fixture
def on_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the measurements themselves can run."""
    for script in (training, kernels):
        monkeypatch.setattr(script, "need_gpu", lambda: None)
        monkeypatch.setattr(script, "copy_bandwidth", lambda: 4e12)


def test_training_prints_its_table_last_and_keeps_what_failed(
    on_a_card: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measured(case: step_cases.Case, _: float) -> step_cases.Row:
        if case.P == 96:
            raise RuntimeError("out of memory")
        found = row(case.P, case.T, float(case.P))
        found.case = case
        return found

    monkeypatch.setattr(training, "measure", measured)
    monkeypatch.setattr(training, "fla_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["training.py", "--out", str(tmp_path / "out.json")])
    training.main()
    record = json.loads((tmp_path / "out.json").read_text())
    assert len(record["cases"]) == len(training.CASES) - 2
    assert [case["P"] for case in record["cases"] if case["ms"] is None] == [96]
    assert {"triton", "flash-linear-attention", "driver", "card"} <= set(record)
    assert len(record["missing"]) == 2
    assert record["slopes"][0]["exponent"] == pytest.approx(1.0)
    last = capsys.readouterr().out.rpartition("rule ")[2]
    assert "failed: RuntimeError: out of memory" in last


def test_kernels_prints_its_table_last_and_keeps_what_failed(
    on_a_card: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measured(rule: object, shape: kernels.Shape, *_: object) -> kernels.Case:
        if rule.name == "adam":
            raise RuntimeError("no such kernel")
        return kernel_case(rule.name, shape, shape[0] * shape[1] / 2**19)

    monkeypatch.setattr(kernels, "measure", measured)
    given = ["kernels.py", "--rules", "delta", "adam", "--out", str(tmp_path / "out.json")]
    monkeypatch.setattr(sys, "argv", given)
    kernels.main()
    record = json.loads((tmp_path / "out.json").read_text())
    assert [case["rule"] for case in record["cases"]] == ["delta", "adam"] * 4
    assert [case["to_delta"] for case in record["cases"]] == [1.0, None] * 4
    full, few, population = record["slopes"]
    assert full["size"] == "length at 2,097,152 tokens"
    assert few["size"] == "length at 524,288 tokens"
    assert population["size"] == "sequences"
    assert full["16384_to_1024"] == 1.0
    assert capsys.readouterr().out.count("failed: RuntimeError: no such kernel") == 4 + 9 + 4


class PublicLayer(torch.nn.Module):
    """flash-linear-attention's DeltaNet re-stated, with its parameters' names and shapes."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            self.add_module(name, torch.nn.Linear(dim, dim, bias=False))
        self.b_proj = torch.nn.Linear(dim, 1, bias=False)
        for name in ("q_conv1d", "k_conv1d", "v_conv1d"):
            self.add_module(name, torch.nn.Conv1d(dim, dim, 4, groups=dim, bias=False))
        self.o_norm = torch.nn.RMSNorm(dim, eps=1e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = []
        for name in "qkv":
            y = self.get_submodule(f"{name}_proj")(x).mT
            y = self.get_submodule(f"{name}_conv1d")(functional.pad(y, (3, 0)))
            parts.append(functional.silu(y).mT.unsqueeze(2))
        q, k, v = parts
        q, k = (z * (z.square().sum(-1, keepdim=True) + 1e-6).rsqrt() for z in (q, k))
        o, _ = recurrent(q, k, v, self.b_proj(x).sigmoid())
        return self.o_proj(self.o_norm(o.squeeze(2)))


def test_weights_copied_into_the_public_layer_give_the_same_output() -> None:
    mixer = step_check.extract_first("delta", 24).blocks[0].mixer.double()
    public = PublicLayer(128).double()
    with torch.no_grad():
        one_model.copy_mixer(types.SimpleNamespace(layer=public), mixer)
        x = torch.randn(2, 24, 128, dtype=torch.float64, generator=torch.manual_seed(0))
        expected = mixer(x.flatten(0, 1), 24).view(x.shape)
        torch.testing.assert_close(public(x), expected, rtol=1e-6, atol=1e-8)


def test_a_parameter_without_a_counterpart_is_an_error() -> None:
    mixer = step_check.extract_first("delta", 24).blocks[0].mixer
    public = PublicLayer(128)
    public.gate = torch.nn.Linear(2, 2)
    with torch.no_grad(), pytest.raises(KeyError, match="gate"):
        one_model.copy_mixer(types.SimpleNamespace(layer=public), mixer)


# ---- kernels


def test_the_kernel_check_measures_the_error_of_any_kernel() -> None:
    rule, other = builtin_graph("delta"), builtin_graph("softmax_attention")
    inputs = kernel_check.make_inputs(rule, (1, 12, 2, 16), torch.float32, "cpu")
    assert kernel_check.error_of(kernel_check.run_exact, rule, inputs) < 1e-5
    wrong = lambda _, given: kernel_check.run_exact(other, given)  # noqa: E731
    assert kernel_check.error_of(wrong, rule, inputs) > 10 * kernel_check.LIMIT


def test_the_check_of_adam_is_short_and_at_a_larger_eps() -> None:
    adam, delta = builtin_graph("adam"), builtin_graph("delta")
    assert kernel_check.checked_length(adam, 4096) == 512
    assert kernel_check.checked_length(delta, 4096) == 1024
    assert kernel_check.checked_length(delta, 128) == 128
    assert kernel_check.knobs_of(adam)["eps"] == 1e-2


def test_a_kernel_whose_check_fails_has_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (0.011, NAN):
        monkeypatch.setattr(kernels, "worst_error", lambda *_, error=error: error)
        case = kernels.measure(builtin_graph("delta"), kernels.SHAPES[0], 4e12, True)
        assert all(map(math.isnan, (case.forward, case.both, case.peer)))
        assert case.note == "check failed: no speed"
        assert case.floor == pytest.approx(11 * 2 * 3072 * 128 * 128 / 4e12 * 1e3)


def kernel_case(rule: str, shape: tuple[int, ...], both: float, peer: float = NAN) -> kernels.Case:
    return kernels.Case(rule, shape, 1e-3, 128, 0.1, 0.26, both / 3, both, 0.01, NAN, peer)


def test_kernel_slopes_compare_the_longest_length_with_1024() -> None:
    times = (1.0, 1.0, 1.05, 1.1)
    growth = [kernel_case("delta", s, t) for s, t in zip(kernels.LENGTHS, times, strict=True)]
    growth += [kernel_case("delta", s, s[0] / 128) for s in kernels.POPULATIONS[1:]]
    length, population = kernels.slopes(growth)
    assert length["16384_to_1024"] == pytest.approx(1.1)
    assert population["exponent"] == pytest.approx(1.0)
    assert all(shape[0] * shape[1] == 2**21 for shape in kernels.LENGTHS)
    assert "16384 / 1024 1.100" in kernels.show([], [length, population])


def test_kernel_table_has_times_beside_delta_floor_and_peer() -> None:
    shape = kernels.SHAPES[0]
    cases = [kernel_case("delta", shape, 1.3, 2.6), kernel_case("decay", shape, 1.56)]
    kernels.compare_to_delta(cases)
    assert cases[1].to_delta == pytest.approx(1.2)
    first, second = kernels.show(cases, []).splitlines()[1:]
    assert first.split()[1] == "3072x128x1x128"
    assert first.split()[-1] == "2"
    assert second.split()[8:10] == ["6", "1.2"]


def test_every_rule_is_measured_at_every_shape_unless_quick() -> None:
    rules = kernels.parse([]).rules
    assert len(rules) == 8
    assert len(kernels.chosen(rules, False)) == 32
    assert len(kernels.chosen(rules, True)) == 8 + 3 * 2
    with pytest.raises(SystemExit):
        kernels.parse(["--rules", "nonsense"])


# ---- madlab


def test_the_clock_leaves_out_windows_that_an_evaluation_interrupts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([0.0, 1.0, 3.0, 100.0, 104.0])
    monkeypatch.setattr(madlab.time, "perf_counter", lambda: next(times))
    module, waits = torch.nn.Identity(), []
    clock = madlab.Clock(2, lambda: waits.append(1))
    for training_step in [True] * 5 + [False] * 3 + [True] * 3:
        clock.tick(module.train(training_step), None)
    assert clock.windows == [1.0, 2.0, 4.0]
    assert len(waits) == 5


def test_the_loop_is_refused_unless_it_trained() -> None:
    good = madlab.Loop("deltanet", [24.0, 25.0, 24.0, 23.0, 24.0], [2.8, 2.1])
    assert madlab.wrong(good) is None
    assert good.ms == 24.0
    assert good.rate == pytest.approx(128 * 128 / 24e-3)
    assert "did not fall" in str(madlab.wrong(madlab.Loop("x", good.step_ms, [2.1, 2.1])))
    assert "not finite" in str(madlab.wrong(madlab.Loop("x", good.step_ms, [2.1, NAN])))
    assert "too few" in str(madlab.wrong(madlab.Loop("x", good.step_ms, [2.1])))
    assert "windows" in str(madlab.wrong(madlab.Loop("x", good.step_ms[:4], [2.8, 2.1])))


def reference_here(monkeypatch: pytest.MonkeyPatch, folder: Path, losses: list[float]) -> Path:
    """A run of the script with the loop and Archer's step already measured."""
    (folder / "train.py").touch()
    out = folder / "madlab.json"
    loop = madlab.Loop("deltanet", [24.0] * 6, losses)
    monkeypatch.setattr(madlab, "need_gpu", lambda: None)
    monkeypatch.setattr(madlab, "missing", lambda layer: [])
    monkeypatch.setattr(madlab, "run_loop", lambda *_: loop)
    monkeypatch.setattr(madlab, "copy_bandwidth", lambda: 4e12)
    speed = {1: 1.0, 48: 16.0}
    monkeypatch.setattr(madlab, "measure", lambda case, _: row(case.P, case.T, speed[case.P]))
    monkeypatch.setattr(sys, "argv", ["madlab.py", str(folder), "--out", str(out)])
    return out


def test_madlab_prints_the_ratio_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = reference_here(monkeypatch, tmp_path, [2.8, 2.1])
    madlab.main()
    record = json.loads(out.read_text())
    assert record["ratio"] == {"1": pytest.approx(24.0), "48": pytest.approx(72.0)}
    assert record["madlab"]["tokens_per_s"] == pytest.approx(128 * 128 / 24e-3)
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[:3] == ["archer,", "delta", "48"]
    assert last[-1] == "72"


def test_madlab_reports_no_speed_of_a_loop_that_does_not_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = reference_here(monkeypatch, tmp_path, [2.8, 2.9])
    with pytest.raises(SystemExit, match="no speed is reported"):
        madlab.main()
    assert not out.exists()


def test_madlab_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(madlab, "need_gpu", lambda: None)
    monkeypatch.setattr(sys, "argv", ["madlab.py", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"holds no train\.py"):
        madlab.main()
    (tmp_path / "train.py").touch()
    monkeypatch.setattr(madlab.util, "find_spec", lambda name: None if name == "fla" else name)
    with pytest.raises(SystemExit, match=r"cannot run here, missing: fla$"):
        madlab.main()
    assert madlab.missing("hyena") == []


def test_the_stand_in_for_flash_attention_is_gone_afterwards() -> None:
    if madlab.util.find_spec("flash_attn") is not None:
        pytest.skip("flash_attn is installed")
    with madlab.without_flash_attention():
        from flash_attn.modules.mha import MHA

        assert MHA is torch.nn.Module
    assert not [name for name in sys.modules if name.startswith("flash_attn")]


def test_losses_are_read_from_the_log(tmp_path: Path) -> None:
    (tmp_path / "run" / "logs").mkdir(parents=True)
    log = "epoch,train/Loss_step,test/Loss\n0,2.5,\n0,,2.4\n0,2.25,\n"
    (tmp_path / "run" / "logs" / "metrics.csv").write_text(log)
    assert madlab.logged_losses(tmp_path) == [2.5, 2.25]


# ---- pictures


def records() -> tuple[dict, dict]:
    facts = {"card": "A card", "torch": "2.11", "triton": "3.6"}
    steps = facts | {"cases": [step_cases.as_json(each) for each in ROWS]}
    shape = kernels.SHAPES[0]
    cases = [
        kernel_case("delta", shape, 1.3, 2.7),
        kernel_case("adam", shape, 2.6),
        kernel_case("decay", shape, NAN),
        kernel_case("delta", kernels.SHAPES[1], 9.0),
    ]
    blocks = facts | {"cases": [kernels.asdict(each) for each in cases]}
    return common.plain(steps), common.plain(blocks)


def drawn(text: str, tag: str, kind: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    return [each for each in root.iter(space + tag) if each.get("class") == kind]


def test_throughput_draws_what_was_measured() -> None:
    text = pictures.throughput(records()[0])
    first, last = drawn(text, "circle", "dot a")[1:]  # after the one of the legend
    assert float(last.get("cy")) < float(first.get("cy"))  # 48 members are faster
    assert len(drawn(text, "path", "line dash a")) == 2  # the peer and its legend
    assert len(drawn(text, "path", "floor")) == 2
    assert "prefers-color-scheme:dark" in text


def test_kernel_picture_has_a_panel_per_shape_and_a_row_per_measured_rule() -> None:
    text = pictures.kernels(records()[1])
    assert len(drawn(text, "line", "floor")) == 3 + 1  # one of the legend
    assert [len(drawn(text, "circle", "dot a")), len(drawn(text, "path", "dot b"))] == [4, 2]
    words = [each.text for each in drawn(text, "text", "")]
    assert words.count("delta") == words.count("adam") == 1  # the panels of a row share them
    assert "decay" not in words
    assert {"3,072 x 128, 1 x 128", "3,072 x 128, 4 x 32"} <= set(words)
    assert {"1.30", "2.60", "2.70", "9.00"} <= {e.text for e in drawn(text, "text", "tick")}


def test_pictures_are_written_where_asked(tmp_path: Path) -> None:
    for name, record in zip(("t", "k"), records(), strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    given = ["--training", str(tmp_path / "t.json"), "--kernels", str(tmp_path / "k.json")]
    pictures.main([*given, "--to", str(tmp_path / "docs")])
    assert {path.name for path in (tmp_path / "docs").iterdir()} == {
        "throughput.svg",
        "kernels.svg",
    }


def test_there_is_no_picture_of_nothing() -> None:
    steps, blocks = records()
    for record, draw in ((steps, pictures.throughput), (blocks, pictures.kernels)):
        with pytest.raises(SystemExit, match="nothing to draw"):
            draw(record | {"cases": []})
    with pytest.raises(SystemExit):
        pictures.parse([])

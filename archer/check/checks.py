"""The checks of a rule file, in the order in which they are run; the first failure ends them."""

from pathlib import Path

from archer.check import declared, probes
from archer.check.causality import causal
from archer.check.known import describe
from archer.check.report import CheckReport, CheckResult
from archer.errors import ArcherError
from archer.rules.base import Rule, RuleError
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph, load_rule
from archer.rules.peer import Contender, is_peer, parse_peer
from archer.rules.places import source_file
from archer.rules.trace import trace

# Reading the file and what its class declares, then tracing its hooks: what each check says when
# it passes.
READING = {
    "imports": "the file imports",
    "one rule": "it defines one rule",
    "knobs": "every learned knob starts inside its bounds",
    "expectations": "what it expects, if anything, is of tasks of MAD",
}
TRACING = {
    "names": "rule, hooks, knobs, signals and slots are well named, declared and used",
    "operations": "every operation is on the allow-list",
    "shapes": "every hook returns the shape it must",
}
PROBES = {
    "hooks run": probes.hooks_run,
    "causal": causal,
    "independent": probes.independent,
    "finite": probes.finite,
    "gradients": probes.gradients,
}
CHECKS = (*READING, *TRACING, *PROBES, "known")


def check_file(path_or_name: str) -> CheckReport:
    """Run every check on a rule file or a built-in rule. Takes a few seconds at most.

    Raises ArcherError only if `path_or_name` is neither a path nor a built-in name; everything
    wrong with the rule itself is in the report.
    """
    try:
        rule = load_rule(path_or_name)
    except RuleError as error:
        return CheckReport(path_or_name, None, _up_to(error, path_or_name))
    return check_class(rule, path_or_name)


def check_class(rule: type[Rule], file: str = "") -> CheckReport:
    """The same for a rule class; file: what messages call its place, by default its own file."""
    file = file or source_file(rule) or rule.__name__
    try:
        graph = _read(rule)
    except RuleError as error:
        return CheckReport(file, rule.rule_name(), _up_to(error, file))
    results = [CheckResult(check, True, text) for check, text in (READING | TRACING).items()]
    results += _probe(graph, file)
    if all(result.passed for result in results):
        results.append(CheckResult("known", True, describe(graph)))
    else:
        results.append(_not_run("known", results))
    return CheckReport(file, graph.name, tuple(results), graph)


def _read(rule: type[Rule]) -> RuleGraph:
    declared.check_learned(rule)
    declared.check_expectations(rule)
    declared.check_hooks(rule)
    graph = trace(rule)
    declared.check_name(rule, graph)
    return graph


def checked_graph(rule: str | Path | type[Rule]) -> RuleGraph:
    """The graph of a built-in rule, or of a rule file or class that passes every check.

    Raises RuleError for the first check that fails, ArcherError for an unknown name.
    """
    if isinstance(rule, type) and issubclass(rule, Rule):
        return _passed(check_class(rule))
    if not isinstance(rule, str | Path):
        raise ArcherError(f"{_what(rule)} is no rule: give a name, the path of a file or a class")
    if rule in BUILTIN:
        return builtin_graph(str(rule))
    return _passed(check_file(str(rule)))


def _what(given: object) -> str:
    return f"an instance of {type(given).__name__}" if isinstance(given, Rule) else repr(given)


def _passed(report: CheckReport) -> RuleGraph:
    failed = report.failed
    if failed:
        raise RuleError(failed.message, check=failed.name, line=failed.line)
    assert report.graph is not None
    return report.graph


def contender(rule: str | Path | type[Rule], device: str) -> Contender:
    """What a row of a table may stand for: a rule as `checked_graph` gives it, or a peer.

    Raises ArcherError for a peer that cannot run on the device, "cpu" or "cuda".
    """
    if not isinstance(rule, str) or not is_peer(rule):
        return checked_graph(rule)
    peer = parse_peer(rule)
    if not peer.side_by_side:
        from archer.model.fla_layer import check_available

        check_available(peer, device)
    return peer


def _failed(check: str, file: str, message: str, line: int | None) -> CheckResult:
    place = f"{file}:{line}: " if line else f"{file}: "
    return CheckResult(check, False, place + message.removeprefix(f"{file}: "), line)


def _up_to(error: RuleError, file: str) -> tuple[CheckResult, ...]:
    """Results when reading or tracing failed: what was not finished is not called passed."""
    results = []
    reading = list(READING)
    wrong = error.check if error.check in CHECKS else "operations"
    done = reading[: reading.index(wrong)] if wrong in reading else reading
    for check in CHECKS:
        if check in done:
            results.append(CheckResult(check, True, READING[check]))
        elif check == wrong:
            results.append(_failed(check, file, error.reason, error.line))
        else:
            results.append(CheckResult(check, None, f"not finished: {wrong!r} failed"))
    return tuple(results)


def _probe(graph: RuleGraph, file: str) -> list[CheckResult]:
    results: list[CheckResult] = []
    for check, probe in PROBES.items():
        if any(result.passed is False for result in results):
            results.append(_not_run(check, results))
            continue
        finding = probe(graph)
        if finding.passed:
            results.append(CheckResult(check, True, finding.message))
        else:
            results.append(_failed(check, file, finding.message, finding.line))
    return results


def _not_run(check: str, results: list[CheckResult]) -> CheckResult:
    failed = next(result.name for result in results if result.passed is False)
    return CheckResult(check, None, f"not run: {failed!r} failed")

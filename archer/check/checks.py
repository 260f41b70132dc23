"""The checks of a rule file, in the order in which they are run; the first failure ends them."""

from archer.check import probes
from archer.check.known import describe
from archer.check.report import CheckReport, CheckResult
from archer.rules.base import RuleError
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph, load_rule
from archer.rules.peer import Contender, is_peer, parse_peer
from archer.rules.trace import trace

# Reading the file, then tracing its hooks: what each check says when it passes.
READING = {
    "imports": "the file imports",
    "one rule": "it defines one rule",
}
TRACING = {
    "names": "every knob, signal and slot is declared, used and well named",
    "operations": "every operation is on the allow-list",
    "shapes": "every hook returns the shape it must",
}
PROBES = {
    "hooks run": probes.hooks_run,
    "causal": probes.causal,
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
    name: str | None = None
    try:
        rule = load_rule(path_or_name)
        name = rule.rule_name()
        graph = trace(rule)
    except RuleError as error:
        return CheckReport(path_or_name, name, _up_to(error, path_or_name))
    results = [CheckResult(check, True, text) for check, text in (READING | TRACING).items()]
    results += _probe(graph, path_or_name)
    if all(result.passed for result in results):
        results.append(CheckResult("known", True, describe(graph)))
    else:
        results.append(_not_run("known", results))
    return CheckReport(path_or_name, graph.name, tuple(results), graph)


def checked_graph(reference: str) -> RuleGraph:
    """The graph of a built-in rule, or of a rule file that passes every check.

    Raises RuleError for the first check that fails, ArcherError for an unknown name.
    """
    if reference in BUILTIN:
        return builtin_graph(reference)
    report = check_file(reference)
    failed = report.failed
    if failed:
        raise RuleError(failed.message, check=failed.name, line=failed.line)
    assert report.graph is not None
    return report.graph


def contender(reference: str, device: str) -> Contender:
    """What a row of a table may stand for: a rule as `checked_graph` gives it, or a peer.

    Raises ArcherError for a peer that cannot run on the device, "cpu" or "cuda".
    """
    if not is_peer(reference):
        return checked_graph(reference)
    peer = parse_peer(reference)
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
    done = reading[: reading.index(error.check)] if error.check in reading else reading
    for check in CHECKS:
        if check in done:
            results.append(CheckResult(check, True, READING[check]))
        elif check == error.check:
            results.append(_failed(check, file, error.reason, error.line))
        else:
            results.append(CheckResult(check, None, f"not finished: {error.check!r} failed"))
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

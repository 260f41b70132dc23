"""Which trials train in one population on a GPU: as many as shapes and padding allow."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from archer.mad.trial import Trial

# What a member may pay for those it trains with. The last block's second half and the logits are
# computed wherever any member is scored: at all positions they are a quarter of a step, as much as
# six members lose by being few. Logits are as wide as the largest vocabulary: at 256 words less
# than a tenth of a step's products, at 8192 over twice all others.
MOST_POSITIONS = 2.0  # times a member's own
MOST_WORDS = 256  # of tasks that are joined


def joined(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Trials in as few groups as may be; of a rule the largest first, in each the longest first.

    Members of one may differ in task, vocabulary and number of training examples: words are
    padded, logits are computed wherever any member is scored, and each counts its own alone.
    While the first trains, the kernels of the others are compiled; and where several processes
    share the work, a small last one keeps the others waiting for a short time.
    """
    groups = [group for same in alike(trials, _sequence_shape) for group in _affordable(same)]
    rules = list(dict.fromkeys(trial.rule.rule_hash for trial in trials))
    groups.sort(key=lambda group: (rules.index(group[0].rule.rule_hash), -_tokens(group)))
    return [sorted(group, key=lambda t: -t.setting.num_train_examples) for group in groups]


def alike(trials: Sequence[Trial], key: Callable[[Trial], Hashable]) -> list[list[Trial]]:
    """Trials of one key each, in their order of planning."""
    groups: dict[Hashable, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(key(trial), []).append(trial)
    return list(groups.values())


def _affordable(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Trials of one sequence shape, joined where nobody pays too much for the others."""
    kinds = alike(trials, lambda t: (t.setting.task, _positions(t)))
    groups: list[list[Trial]] = []
    for kind in sorted(kinds, key=lambda kind: -_positions(kind[0])):
        group = next((group for group in groups if _may_join(kind, group)), None)
        if group is None:
            groups.append(kind)
        else:
            group += kind
    return groups


def _may_join(kind: Sequence[Trial], group: Sequence[Trial]) -> bool:
    """group: its first trial scores the most positions."""
    everyone = [*group, *kind]
    one_task = len({trial.setting.task for trial in everyone}) == 1
    few_words = max(trial.model.vocab_size for trial in everyone) <= MOST_WORDS
    few_positions = _positions(group[0]) <= MOST_POSITIONS * _positions(kind[0])
    return few_positions and (one_task or few_words)


def _tokens(trials: Sequence[Trial]) -> int:
    """Of one epoch of each: they have as many."""
    return sum(trial.setting.num_train_examples * trial.setting.length for trial in trials)


def _positions(trial: Trial) -> int:
    """Positions a training sequence may be scored at; memorization's half counts as all."""
    return trial.setting.num_tokens_to_copy or trial.setting.length


def _sequence_shape(trial: Trial) -> str:
    """What members must share whatever is padded."""
    setting = trial.setting
    held_out = setting.num_validation_examples, setting.num_test_examples
    sizes = replace(trial.model, vocab_size=1)
    parts = (trial.rule.rule_hash, trial.rule.name, trial.learn, trial.regime)
    return repr((*parts, held_out, sizes))

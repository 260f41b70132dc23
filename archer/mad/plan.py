"""From rules, a preset and seeds to trials, and from trials to populations."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from archer.errors import ArcherError
from archer.mad.asked import check_rates, check_rules, check_seeds
from archer.mad.joined import alike, joined
from archer.mad.knobs import Knobs as Knobs
from archer.mad.presets import Preset
from archer.mad.rates import ChosenRates
from archer.mad.settings import Setting
from archer.mad.shared import shared_with
from archer.mad.trial import SELECTS, Protocol, Trial, make_trial, trial_from_json
from archer.model.config import ModelConfig
from archer.rules.peer import Contender, Peer
from archer.train.population import Regime


@dataclass(frozen=True)
class Row:
    """One row of the trials table: a rule's trial, and the rule it is identical to, if any."""

    rule: str
    trial: Trial
    identical_to: str | None


@dataclass(frozen=True)
class Population:
    """Trials of one shape, trained side by side: the unit of work. Plain data through JSON.

    ended: places of members that have ended in an earlier run. They keep their places, so that the
    others train as they would have among them, and are not trained again.
    """

    trials: tuple[Trial, ...]
    ended: tuple[int, ...] = ()

    @cached_property
    def left(self) -> dict[int, Trial]:
        """What is to be trained, by place."""
        return {i: trial for i, trial in enumerate(self.trials) if i not in self.ended}

    @property
    def training_tokens(self) -> int:
        """Tokens of what is to be trained, if none stops early."""
        return sum(tokens(trial)[0] for trial in self.left.values())

    @property
    def label(self) -> str:
        """For progress: rule, task and number of members."""
        first, left = self.trials[0], self.left.values()
        names = (trial.setting.name.partition(",num_")[0] for trial in left)
        tasks = list(dict.fromkeys(names))
        more = f" +{len(tasks) - 1}" if len(tasks) > 1 else ""
        members = f" x{len(left)}" if len(left) > 1 else ""
        return f"{first.rule.name} {tasks[0]}{more}{members}"

    def to_json(self) -> dict[str, Any]:
        return {"trials": [trial.to_json() for trial in self.trials], "ended": list(self.ended)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Population":
        trials = tuple(trial_from_json(trial) for trial in data["trials"])
        return Population(trials, tuple(data.get("ended", ())))


@dataclass(frozen=True)
class Plan:
    """Everything a benchmark will do: rows of the table, and the populations to train for them.

    rates: lr and weight decay of every rule, where they were chosen beforehand; none: the grid.
    """

    preset: Preset
    protocol: Protocol
    rules: tuple[Contender, ...]
    rows: tuple[Row, ...]
    populations: tuple[Population, ...]
    rates: tuple[ChosenRates, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before it is trained, a line each."""
        found = (rule.note for rule in self.rules if isinstance(rule, Peer))
        return tuple(note for note in found if note)


def make_plan(
    rules: Sequence[Contender],
    preset: Preset,
    *,
    protocol: Protocol = "strict",
    seeds: int = 1,
    first_seed: int = 0,
    rates: Sequence[ChosenRates] = (),
    knobs: Knobs | None = None,
    precision: str = "fp32",
    largest: int = 96,
    together: bool = False,
    output_gate: bool = False,
) -> Plan:
    """The plan of a benchmark; trials that are mathematically one are trained once.

    seeds: how many, from first_seed on. rates: for every rule, instead of the preset's grid; the
    plan's preset is then named apart.
    largest: most members of one population. together: for a GPU, where a population should be
    large and finds out itself how many train at a time: its trials may also differ in task,
    vocabulary and number of training examples, the longest come first, and `largest` does not
    matter.
    output_gate: see `ModelConfig`.
    Raises ArcherError for two rules of one name or one that hides a built-in rule, bad knobs,
    seeds < 1, first_seed < 0, rates that lack a rule or setting, or an output gate for a peer.
    """
    check_rules(rules)
    check_seeds(seeds, first_seed)
    check_rates(rules, preset, rates)
    peers = [rule.name for rule in rules if isinstance(rule, Peer)]
    if output_gate and peers:
        raise ArcherError(f"an output gate is for rules; {', '.join(peers)} brings its own or none")
    knobs = knobs or Knobs()
    knobs.check(rules)
    if preset.chunk_size is not None:
        rules = [rule.with_chunk_size(preset.chunk_size) for rule in rules]
    regime = _regime(preset, protocol, precision)
    own = {chosen.rule: chosen.rates for chosen in rates}
    several = range(first_seed, first_seed + seeds)
    asked = [
        (rule.name, trial)
        for rule in rules
        for part in (preset.at(own[rule.name]) if own else [preset])
        for trial in _trials(rule, part, regime, several, knobs, output_gate)
    ]
    same = shared_with(asked, own_rates=bool(own))
    rows = tuple(Row(*each, other) for each, other in zip(asked, same, strict=True))
    unique = {row.trial.id: row.trial for row in reversed(rows)}
    trials = list(reversed(unique.values()))
    populations = tuple(grouped(trials, largest, together))
    named = preset.at_chosen_rates() if own else preset
    return Plan(named, protocol, tuple(rules), rows, populations, tuple(rates))


def _regime(preset: Preset, protocol: Protocol, precision: str) -> Regime:
    if protocol not in SELECTS:
        raise ArcherError(f"unknown protocol {protocol!r}: use {' or '.join(SELECTS)}")
    if precision not in ("fp32", "bf16"):
        raise ArcherError(f"unknown precision {precision!r}: use fp32 or bf16")
    return Regime(
        epochs=preset.epochs,
        batch_size=preset.batch_size,
        select=SELECTS[protocol],
        precision="bf16" if precision == "bf16" else "fp32",
    )


def _trials(
    rule: Contender,
    preset: Preset,
    regime: Regime,
    seeds: Sequence[int],
    knobs: Knobs,
    output_gate: bool,
) -> list[Trial]:
    values, learn = knobs.of(rule)
    sizes = {s.name: model(preset, s, output_gate) for s in preset.settings}
    return [
        make_trial(rule, values, learn, setting, sizes[setting.name], regime, lr, wd, seed)
        for setting in preset.settings
        for lr in preset.lrs
        for wd in preset.weight_decays
        for seed in seeds
    ]


def model(preset: Preset, setting: Setting, output_gate: bool = False) -> ModelConfig:
    """The model a preset trains on a setting."""
    return ModelConfig(
        vocab_size=setting.vocab_size,
        length=setting.length,
        dim=preset.dim,
        heads=preset.heads,
        blocks=preset.blocks,
        autoencoder=setting.task == "compression",
        output_gate=output_gate,
    )


def grouped(trials: Sequence[Trial], largest: int = 96, together: bool = False) -> list[Population]:
    """Trials in populations; arguments as for `make_plan`."""
    if together:
        return [Population(tuple(group)) for group in joined(trials)]
    return [
        Population(tuple(group[start : start + largest]))
        for group in alike(trials, _shape)
        for start in range(0, len(group), largest)
    ]


def _shape(trial: Trial) -> str:
    """What members of one population must share; all else is a tensor along its axis."""
    setting = trial.setting
    examples = (
        setting.num_train_examples,
        setting.num_validation_examples,
        setting.num_test_examples,
    )
    parts = (trial.rule.rule_hash, trial.rule.name, trial.learn, trial.regime, examples)
    # which positions are scored is part of the shape, and differs between tasks
    return repr((*parts, asdict(trial.model), setting.task, setting.num_tokens_to_copy))


def tokens(trial: Trial) -> tuple[int, int]:
    """Tokens trained on and tokens evaluated on, if the trial never stops early."""
    setting, epochs = trial.setting, trial.regime.epochs
    held_out = setting.num_validation_examples + setting.num_test_examples
    return epochs * setting.num_train_examples * setting.length, epochs * held_out * setting.length

"""A trial: one member trained on one setting, and everything that determines it."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

from archer.mad.settings import Setting
from archer.model.config import ModelConfig
from archer.rules.canonical import rule_hash
from archer.rules.peer import Contender, Peer, contender_from_json
from archer.train.population import Member, Regime

PROTOCOL_VERSION = 1
Protocol = Literal["strict", "mad-lab"]
# Which split stops a training, chooses its checkpoint and picks lr x weight decay. The training is
# the same for both, and read differently (`archer.train.reading`).
SELECTS: dict[Protocol, Literal["validation", "test"]] = {"strict": "validation", "mad-lab": "test"}


@dataclass(frozen=True)
class Trial:
    """One training. `rule` is the rule that really acts on the setting's length, or a peer.

    knobs: a value for every knob of the rule. learn: names of those that are trained.
    """

    rule: Contender
    knobs: tuple[tuple[str, float], ...]
    learn: tuple[str, ...]
    setting: Setting
    model: ModelConfig
    regime: Regime
    lr: float
    weight_decay: float
    seed: int

    @property
    def stream(self) -> str:
        """Name of the random stream: seed and setting, never the rule."""
        return f"seed={self.seed}|{self.setting.name}"

    @property
    def member(self) -> Member:
        """The trial as a member of a population."""
        return Member(self.stream, self.lr, self.weight_decay, dict(self.knobs))

    @cached_property
    def id(self) -> str:
        """Hash of everything that determines the trial; equal for equal mathematics."""
        regime = {name: value for name, value in asdict(self.regime).items() if name != "select"}
        identity = {
            "protocol": PROTOCOL_VERSION,
            "rule": self._mathematics(),
            "setting": asdict(self.setting),
            "model": self.model.to_json(),
            "regime": regime,
            "optimizer": [self.lr, self.weight_decay],
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def _mathematics(self) -> str:
        if isinstance(self.rule, Peer):
            return self.rule.rule_hash
        texts = {name: self.knob_text(name, value) for name, value in self.knobs}
        return rule_hash(self.rule, texts, self.learn)

    def knob_text(self, name: str, value: float) -> str:
        """A knob's value, and of one that is learned what it may come to."""
        if name not in self.learn:
            return repr(value)
        spec = self.rule.knob(name)
        return f"{value!r} learned in [{spec.low!r}, {spec.high!r}], log {spec.log}"

    def to_json(self) -> dict[str, Any]:
        """Plain data, from which `trial_from_json` makes an equal trial."""
        return {
            "rule": self.rule.to_json(),
            "knobs": [list(pair) for pair in self.knobs],
            "learn": list(self.learn),
            "setting": asdict(self.setting),
            "model": self.model.to_json(),
            "regime": asdict(self.regime),
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "seed": self.seed,
        }


def trial_from_json(data: dict[str, Any]) -> Trial:
    """The trial `to_json` wrote; its rule graph is validated again."""
    return Trial(
        rule=contender_from_json(data["rule"]),
        knobs=tuple((name, value) for name, value in data["knobs"]),
        learn=tuple(data["learn"]),
        setting=Setting(**data["setting"]),
        model=ModelConfig(**data["model"]),
        regime=Regime(**data["regime"]),
        lr=data["lr"],
        weight_decay=data["weight_decay"],
        seed=data["seed"],
    )


def make_trial(
    rule: Contender,
    knobs: dict[str, float],
    learn: tuple[str, ...],
    setting: Setting,
    model: ModelConfig,
    regime: Regime,
    lr: float,
    weight_decay: float,
    seed: int,
) -> Trial:
    """The trial of a rule with these knob values, reduced to what acts on the setting's length.

    A knob that is given a value is fixed there, also one that the rule declares learned, unless it
    is in `learn`.
    """
    acting = _fixed(rule.effective(setting.length), knobs.keys() - {*learn})
    names = [knob.name for knob in acting.knobs]
    given = (float(knobs.get(name, acting.knob(name).default)) for name in names)
    values = tuple(zip(names, map(unsigned, given), strict=True))
    learned = tuple(k.name for k in acting.knobs if k.learn or k.name in learn)
    rates = unsigned(lr), unsigned(weight_decay)
    return Trial(acting, values, learned, setting, model, regime, *rates, seed)


def unsigned(value: float) -> float:
    """The value, -0.0 as 0.0: they train alike, and would be two trials."""
    return value if value else abs(value)


def _fixed(rule: Contender, names: Collection[str]) -> Contender:
    """The rule with these knobs not learned."""
    if isinstance(rule, Peer) or not any(knob.learn and knob.name in names for knob in rule.knobs):
        return rule
    knobs = (replace(k, learn=k.learn and k.name not in names) for k in rule.knobs)
    return replace(rule, knobs=tuple(knobs))

"""Refuses what no plan can be made of: rules, seeds and rates."""

from collections.abc import Sequence
from numbers import Integral

from archer.errors import ArcherError
from archer.mad.presets import Preset
from archer.mad.rates import ChosenRates
from archer.rules.load import BUILTIN, builtin_graph
from archer.rules.peer import Contender, Peer, is_peer


def is_number(kind: type, value: object) -> bool:
    """Whether a value is a number of a kind, of Python's or numpy's; True and False are none."""
    return isinstance(value, kind) and type(value) is not bool


def check_rules(rules: Sequence[Contender]) -> None:
    """Raises ArcherError for none, for two of one name, and for one that hides a built-in rule."""
    for rule in rules:
        if isinstance(rule, Peer):
            continue
        if is_peer(rule.name):
            raise ArcherError(
                f"a rule of your own is named like the peer {rule.name}: rename its class"
            )
        if rule.name in BUILTIN and rule.rule_hash != builtin_graph(rule.name).rule_hash:
            raise ArcherError(
                f"a rule of your own is named like the built-in rule {rule.name}: rename its class"
            )
    names = [rule.name for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArcherError(
            f"two rules are named {', '.join(twice)}: name each once, or rename one class"
        )
    if not rules:
        raise ArcherError("no rule given: name at least one")


def check_seeds(seeds: int, first_seed: int) -> None:
    """Raises ArcherError for what is no whole number, for no seed, and for a negative one."""
    for name, value in (("seeds", seeds), ("first_seed", first_seed)):
        if not is_number(Integral, value):
            raise ArcherError(f"{name}={value!r}: give a whole number")
    if seeds < 1:
        raise ArcherError(f"seeds={seeds}: at least one seed is needed")
    if first_seed < 0:
        raise ArcherError(f"first_seed={first_seed}: seeds begin at 0")


def check_rates(rules: Sequence[Contender], preset: Preset, rates: Sequence[ChosenRates]) -> None:
    """Raises ArcherError unless there are none, or just those of every rule on every setting."""
    needed = {(rule.name, setting.name) for rule in rules for setting in preset.settings}
    given = {(chosen.rule, name) for chosen in rates for name, _, _ in chosen.rates}
    if rates and (lost := needed ^ given):
        rule, setting = min(lost)
        raise ArcherError(f"rates for {rule} on {setting}: give them for what is trained, no more")

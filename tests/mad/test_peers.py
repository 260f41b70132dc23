"""Peers beside rules: references, identities, layers of fla by a stand-in, rows of a table.

The stand-in takes the place of `fla.layers`, whose kernels need a GPU: it shows that members are
independent and that what a layer may not do is refused, not that any layer of fla runs.
"""

import inspect
import json
import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import nn

import archer
from archer.benchmark import plan_bench, run_plan
from archer.errors import ArcherError
from archer.mad.estimate import estimate
from archer.mad.plan import Knobs, Population, make_plan
from archer.mad.presets import preset, smoke
from archer.mad.trial import trial_from_json
from archer.mad.work import train
from archer.model import ModelConfig, build, extract
from archer.model.fla_layer import check_available, sizes
from archer.rules.base import Rule
from archer.rules.load import BUILTIN, builtin_graph, load_rule
from archer.rules.peer import Peer, contender_from_json, is_peer, parse_peer
from archer.rules.trace import trace
from archer.train.width import fitting, member_bytes

DELTA, ATTENTION = builtin_graph("delta"), Peer("attention")
TINY = ModelConfig(vocab_size=7, length=6, dim=8, heads=2)
IDS = torch.randint(0, 7, (3, 4, 6), generator=torch.Generator().manual_seed(0))


class Decaying(nn.Module):
    """A causal mixer with the manners of fla's: a tuple back, more arguments than it names."""

    def __init__(self, hidden_size=64, num_heads=4, rate=0.5, gate=True, layer_idx=None, **kwargs):
        super().__init__()
        if hidden_size % num_heads:
            raise ValueError(f"{num_heads} heads of {hidden_size}")
        self.heads, self.rate = num_heads, rate
        self.proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.gate = nn.Linear(hidden_size, num_heads) if gate else None
        self.scale = nn.Parameter(torch.rand(hidden_size))
        self.register_buffer("constant", torch.tensor(0.5))

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        length = hidden_states.shape[1]
        ages = torch.arange(length).unsqueeze(1) - torch.arange(length)
        weights = torch.where(ages >= 0, self.rate ** ages.clamp(min=0), 0.0)
        out = weights @ self.proj(hidden_states) * self.scale * self.constant
        if self.gate is not None:
            gates = self.gate(hidden_states).sigmoid()
            out = out * gates.repeat_interleave(out.shape[-1] // self.heads, -1)
        return out, None, None


class Summing(Decaying):
    """Not a mixer: it loses the axis of time."""

    def forward(self, hidden_states, **kwargs):
        return super().forward(hidden_states)[0].sum(1), None


class Failing(Decaying):
    def forward(self, hidden_states, **kwargs):
        raise RuntimeError("a shape the kernel does not take\nand more")


@pytest.fixture
def fla(monkeypatch):
    """`fla.layers` with three layers."""
    module = ModuleType("fla.layers")
    module.__all__ = ["Decaying", "Summing", "Failing"]
    module.Decaying, module.Summing, module.Failing = Decaying, Summing, Failing
    monkeypatch.setitem(sys.modules, "fla.layers", module)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    return module


# What the ids of rules' trials are, so that stores stay readable: smoke, momentum.mu = 0.8 learned.
TRIAL_IDS = {
    ("delta", "compression"): "92299226bd5d28b1",
    ("gated_delta", "compression"): "3efdb4ee426fe1c1",
    ("delta", "memorization"): "6a1929dd55563cd7",
    ("adam", "memorization"): "6a1929dd55563cd7",
    ("softmax_attention", "memorization"): "5bebd4b5b795e993",
    ("delta", "fuzzy-in-context-recall"): "5eef8e5e6c29ab6f",
    ("decay", "fuzzy-in-context-recall"): "e40dbf9a6e059182",
    ("error_gated", "fuzzy-in-context-recall"): "ef07ceff1c97217e",
    ("momentum", "fuzzy-in-context-recall"): "51424bd41aa91e26",
    ("adam_softmax", "fuzzy-in-context-recall"): "b1b6e5829a1ae112",
}


def test_the_ids_of_rules_stay_what_they_are():
    rules = [builtin_graph(name) for name in BUILTIN]
    plan = make_plan(rules, smoke(), knobs=Knobs({"momentum.mu": 0.8}, ("momentum.mu",)))
    found = {(row.rule, row.trial.setting.task): row.trial.id for row in plan.rows}
    assert {key: found[key] for key in TRIAL_IDS} == TRIAL_IDS
    rows = make_plan(rules, preset("mad")).rows[:292:97]
    assert [row.trial.id for row in rows] == [
        "66064fd7b640f268", "f6bf0ddfe792f802", "af0c88e5e5618c48", "9c14d2a78753f733",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("attention", "attention"),
        ("attention()", "attention"),
        ("fla:Mamba2", "fla:Mamba2"),
        (" fla:Mamba2( ) ", "fla:Mamba2"),
        ("fla:GLA(expand_k=1.0)", "fla:GLA(expand_k=1.0)"),
        (
            "fla:GLA(mode='chunk',expand_k=-1e-3,\n gate=None, a=True)",
            "fla:GLA(a=True, expand_k=-0.001, gate=None, mode='chunk')",
        ),
    ],
)
def test_a_peer_is_written_like_a_call(written, name):
    peer = parse_peer(written)
    assert peer.name == name
    assert parse_peer(name) == peer
    again = contender_from_json(json.loads(json.dumps(peer.to_json())))
    assert again == peer
    assert again.rule_hash == peer.rule_hash
    assert "\n" not in peer.about
    assert ("flash-linear-attention" in peer.about) == (not peer.side_by_side)


@pytest.mark.parametrize(
    "written",
    [
        "fla:",
        "fla:a.b",
        "fla:Mamba2(",
        "fla:Mamba2(2)",
        "fla:Mamba2(expand)",
        "fla:Mamba2(expand=2, expand=3)",
        "fla:Mamba2(**{'expand': 2})",
        "fla:Mamba2(expand=2)(head_dim=1)",
        "fla:Mamba2(expand=2) + f(a=1)",
        "fla:Mamba2(expand=__import__('os').getpid())",
        "fla:Mamba2(expand=(1, 2))",
        "fla:Mamba2(expand=1e999)",
        "fla:Mamba2(mode='<b>')",
        "attention(heads=2)",
        "attention(",
    ],
)
def test_what_is_no_peer_gets_one_line(written):
    assert is_peer(written)
    with pytest.raises(ArcherError) as caught:
        parse_peer(written)
    assert "\n" not in str(caught.value).replace(written, "")


def test_a_peers_hash_is_that_of_layer_and_options():
    assert ATTENTION.rule_hash[:16] == "3e8066d79f96cfc2"  # a change orphans every stored trial
    names = "fla:A", "fla:B", "fla:A(x=1)", "fla:A(x=2)", "fla:A(y=1)", "fla:A(x=1.0)"
    assert len({parse_peer(name).rule_hash for name in ("attention", *names)}) == 7
    assert parse_peer("fla:A(x=1, y=2)").rule_hash == parse_peer("fla:A(y=2, x=1)").rule_hash


def test_a_stored_peer_that_nobody_wrote_is_refused():
    good = ATTENTION.to_json()
    for bad in ({**good, "peer": 2}, {**good, "layer": "atention"}, {"peer": 1}):
        with pytest.raises(ArcherError):
            contender_from_json(bad)


def test_peers_are_planned_like_rules():
    fla = parse_peer("fla:Mamba2(expand=2)")
    plan = make_plan([DELTA, ATTENTION, fla], smoke(), seeds=2)
    assert [rule.name for rule in plan.rules] == ["delta", "attention", "fla:Mamba2(expand=2)"]
    assert len(plan.rows) == 3 * 6 * 2
    assert all(row.identical_to is None for row in plan.rows)
    assert len({row.trial.id for row in plan.rows}) == 36
    for row in plan.rows:
        assert trial_from_json(json.loads(json.dumps(row.trial.to_json()))) == row.trial
    for population in plan.populations:
        assert len({trial.rule for trial in population.trials}) == 1
    streams = {row.rule: row.trial.stream for row in plan.rows}
    assert streams["attention"] == streams["delta"]  # the same weights and order of data
    assert plan.notes == (
        "fla:Mamba2(expand=2) has no population axis: its members train one after the other in "
        "each step",
    )


def test_the_cost_of_a_peer_is_known_before():
    cost = estimate(make_plan([DELTA, ATTENTION], smoke()), "cpu")
    assert (cost.trials, cost.notes) == (12, ())
    config = ModelConfig(vocab_size=16, length=128)
    assert member_bytes(DELTA, config, 128) < member_bytes(ATTENTION, config, 128)
    assert fitting(ATTENTION, config, 128, torch.device("cpu")) is None


def test_on_a_gpu_few_members_of_a_layer_without_population_axis_train_at_a_time(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**40, 2**40))
    config, gpu = ModelConfig(vocab_size=16, length=128), torch.device("cuda")
    found = [fitting(row, config, 128, gpu) for row in (DELTA, ATTENTION, Peer("fla:Mamba2"))]
    assert found == [96, 96, 8]


class Attention(Rule):
    def gate(self, U, p):
        return 0.5 * U


def test_a_rule_cannot_take_a_peers_name():
    with pytest.raises(ArcherError, match="named like the peer attention"):
        make_plan([trace(Attention)], smoke())
    with pytest.raises(ArcherError, match="attention is a peer of the rules"):
        load_rule("attention")
    with pytest.raises(ArcherError, match="no such knob; attention has no knobs"):
        make_plan([ATTENTION], smoke(), knobs=Knobs({"attention.mu": 1.0}))
    with pytest.raises(ArcherError, match="two rules are named attention"):
        make_plan([ATTENTION, ATTENTION], smoke())


def test_what_cannot_run_here_is_said_before_anything_is_trained(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ArcherError, match="fla:Mamba2 needs a GPU"):
        plan_bench(["attention", "fla:Mamba2"], device="cpu")
    with pytest.raises(ArcherError, match="did you mean attention"):
        plan_bench(["attentoin"])
    monkeypatch.setitem(sys.modules, "fla.layers", None)
    with pytest.raises(ArcherError, match=r"pip install 'archer\[fla\]'"):
        check_available(parse_peer("fla:Mamba2"), "cuda")


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("fla:Decayin", r"no layer 'Decayin': did you mean fla:Decaying"),
        ("fla:Zzz", "no layer 'Zzz': it has Decaying, Summing, Failing"),
        ("fla:Decaying(rat=1)", "no option 'rat'; it has num_heads, rate, gate$"),
        ("fla:Decaying(hidden_size=4)", "no option 'hidden_size'"),
        ("fla:Decaying(kwargs=4)", "no option 'kwargs'"),
    ],
)
@pytest.mark.usefixtures("fla")
def test_unknown_layers_and_options_are_named(written, reason):
    with pytest.raises(ArcherError, match=reason):
        check_available(parse_peer(written), "cuda")


def test_a_layer_that_cannot_be_made_says_with_what(fla):
    with pytest.raises(ArcherError, match=r"num_heads=3.*cannot be made: ValueError: 3 heads of 8"):
        build(parse_peer("fla:Decaying(num_heads=3)"), TINY, ["a"])


def signature(**defaults):
    return {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in defaults.items()
    }


@pytest.mark.parametrize(
    ("takes", "given", "chosen"),
    [
        ({}, {}, {}),
        ({"num_heads": 4, "expand_k": 0.5}, {}, {"num_heads": 2}),
        ({"num_heads": 4, "expand_k": 0.5}, {"num_heads": 8}, {"num_heads": 8}),
        ({"num_heads": 6, "head_dim": 256}, {}, {"num_heads": 2, "head_dim": 64}),
        ({"num_heads": 6, "head_dim": 256}, {"head_dim": 32}, {"num_heads": 4, "head_dim": 32}),
        ({"num_heads": 6, "head_dim": 256}, {"num_heads": 4}, {"num_heads": 4, "head_dim": 32}),
        # Mamba2's heads share expand * D numbers
        ({"num_heads": 4, "head_dim": 64, "expand": 2}, {}, {"num_heads": 2, "head_dim": 128}),
        (
            {"num_heads": 4, "head_dim": 64, "expand": 2},
            {"expand": 1, "head_dim": 32},
            {"num_heads": 4, "head_dim": 32, "expand": 1},
        ),
        ({"intermediate_size": 2048}, {}, {"intermediate_size": 256}),
        ({"num_heads": None, "expand_ratio": 128}, {}, {"num_heads": 2, "expand_ratio": 64}),
        ({"expand_ratio": 1}, {}, {}),
        ({"num_heads": 9, "num_kv_heads": 4}, {}, {"num_heads": 2, "num_kv_heads": 2}),
    ],
)
def test_a_layer_gets_the_models_width_and_heads(takes, given, chosen):
    config = ModelConfig(vocab_size=16, length=8, dim=128, heads=2)
    found = sizes(signature(hidden_size=1024, layer_idx=None, **takes), config, given)
    assert found == {"hidden_size": 128, "layer_idx": 0, **chosen}


@pytest.mark.parametrize("autoencoder", [False, True])
@pytest.mark.usefixtures("fla")
def test_members_of_a_layer_are_strangers(autoencoder):
    peer = parse_peer("fla:Decaying(rate=0.9)")
    config = replace(TINY, autoencoder=autoencoder)
    state = torch.random.get_rng_state()
    model, alone = build(peer, config, ["a", "b", "c"]), build(peer, config, ["b"])
    assert torch.equal(state, torch.random.get_rng_state())
    for (name, values), own in zip(model.named_parameters(), alone.parameters(), strict=True):
        assert torch.equal(values[1], own[0]), name
        if "mixer.layer" in name and name.endswith("weight"):
            assert not torch.equal(values[0], values[1]), name
    together, by_itself = model(IDS), alone(IDS[1:2])
    torch.testing.assert_close(together[1], by_itself[0], atol=1e-6, rtol=1e-5)
    weights = torch.randn(together[1].shape, generator=torch.Generator().manual_seed(2))
    others = torch.autograd.grad((together[1] * weights).sum(), list(model.parameters()))
    mine = torch.autograd.grad((by_itself[0] * weights).sum(), list(alone.parameters()))
    for (name, _), theirs, own in zip(model.named_parameters(), others, mine, strict=True):
        torch.testing.assert_close(theirs[1], own[0], atol=1e-6, rtol=1e-4, msg=name)
        assert own.any(), name
        assert not theirs[[0, 2]].any(), name
    torch.testing.assert_close(extract(model, 1)(IDS[1]), by_itself[0], atol=1e-6, rtol=1e-5)


@pytest.mark.usefixtures("fla")
def test_a_members_layer_is_the_library_s_own():
    model = build(parse_peer("fla:Decaying(gate=False, num_heads=4)"), TINY, ["a", "b"])
    mixer = model.blocks[1].mixer
    layer = Decaying(8, 4, gate=False)
    layer.load_state_dict(
        {"constant": torch.tensor(0.5)} | {k: v[1] for k, v in mixer.layer.named_parameters()}
    )
    x = torch.randn(2, 4 * 6, 8, generator=torch.Generator().manual_seed(1))
    expected = layer(x[1].view(4, 6, 8))[0].view(24, 8)
    torch.testing.assert_close(mixer(x, 6)[1], expected)


@pytest.mark.usefixtures("fla")
def test_the_auto_encoder_redraws_linear_weights():
    config = ModelConfig(vocab_size=7, length=6, dim=64, autoencoder=True)
    layer = build(parse_peer("fla:Decaying"), config, ["a"]).blocks[0].mixer.layer
    assert layer.proj.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not layer.gate.bias.any()
    assert layer.scale.max() > 0.5  # no linear weight


@pytest.mark.usefixtures("fla")
def test_a_layer_trains_and_who_is_beside_it_does_not_matter():
    plan = make_plan([parse_peer("fla:Decaying")], smoke().only(["memorization"]), seeds=2)
    both = plan.populations[0]
    assert len(both.trials) == 2
    together = train(both, "cpu")
    alone = [train(Population((trial,)), "cpu")[0] for trial in both.trials]
    for one, other in zip(together, alone, strict=True):
        assert len(one.history) == 2
        losses = [[epoch.train_loss for epoch in result.history] for result in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        assert losses[0][1] < losses[0][0]


@pytest.mark.parametrize(
    ("layer", "error", "reason"),
    [
        ("Summing", ArcherError, r"fla:Summing returns shape \[32, 16\], not \[32, 8, 16\]"),
        ("Failing", RuntimeError, "a shape the kernel does not take"),
    ],
)
@pytest.mark.usefixtures("fla")
def test_a_failing_layer_fails_its_training(layer, error, reason):
    plan = make_plan([parse_peer(f"fla:{layer}")], smoke().only(["memorization"]))
    with pytest.raises(error, match=reason):
        train(plan.populations[0], "cpu")


def test_a_row_of_the_table_and_one_that_fails(tmp_path, capsys):
    """Workers find no fla: every trial of that row fails with the reason, the others are trained.

    The second time everything is found.
    """
    plan = plan_bench(["delta", "attention"], preset="smoke", tasks=["memorization"])
    rows = [*plan.rules, parse_peer("fla:NoSuchLayer(a=1, b='x')")]
    results = run_plan(make_plan(rows, plan.preset), "cpu", 1, progress=False)
    trials = results.trials.set_index("rule")
    assert trials.loc["attention", "status"] == "finished"
    assert trials.loc["attention", "row"] == "attention"
    assert trials.loc["attention", "chunk_size"] == 0
    failed = trials.loc["fla:NoSuchLayer(a=1, b='x')"]
    assert failed["status"] == "failed"
    assert "flash-linear-attention" in failed["reason"] or "needs a GPU" in failed["reason"]
    assert results.table.loc["attention"].notna().all()

    bench = {"preset": "smoke", "tasks": ["memorization"], "out": tmp_path, "workers": 1}
    first = archer.bench(["delta", "attention"], progress=False, **bench)
    expected = results.table.loc[["delta_net_4layer", "attention"]]
    assert first.table.equals(expected.loc[first.table.index])
    capsys.readouterr()
    again = archer.bench(["delta", "attention"], progress=True, **bench)
    assert "2 of 2 trials found" in capsys.readouterr().err
    assert again.table.equals(first.table)
    assert "attention" in (tmp_path / "report.md").read_text()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_attention_trains_on_a_gpu_without_a_warning():
    plan = make_plan([ATTENTION], smoke().only(["memorization"]), seeds=2, precision="bf16")
    results = train(plan.populations[0], "cuda")
    exact = make_plan([ATTENTION], smoke().only(["memorization"]), seeds=2)
    for one, other in zip(results, train(exact.populations[0], "cpu"), strict=True):
        losses = [[epoch.train_loss for epoch in result.history] for result in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)

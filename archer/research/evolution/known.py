"""The eight built-in rules as genomes: where evolution starts."""

from archer.research.evolution.genome import Genome, part
from archer.research.evolution.parts import Number

_ADAM = {"mu1": Number(0.9), "mu2": Number(0.999), "lr": Number(1.0), "eps": Number(1e-8)}
_DELTA = Genome()

BUILTIN_GENOMES: dict[str, Genome] = {
    "delta": _DELTA,
    "decay": _DELTA.put("forget", part("forget", "constant", {"lam": Number(0.95)})),
    "error_gated": _DELTA.put("gate", part("gate", "error", {"tau": Number(0.01)})),
    "momentum": _DELTA.put("step", part("step", "momentum", {"mu": Number(0.9)})),
    "softmax_attention": _DELTA.put("local", part("local", "softmax", {"scale": Number(1.0)})),
    "adam": _DELTA.put("step", part("step", "adam", _ADAM)),
    "adam_softmax": _DELTA.put(
        "second", part("second", "adam", _ADAM | {"share": Number(0.1, learn=True)})
    ).put("local", part("local", "mix", {"softness": Number(0.1, True), "scale": Number(1.0)})),
    "gated_delta": _DELTA.put("decay", part("decay", "per_token")),
}

"""The gates in their order, cheapest first, and how long each may take."""

# Wall-clock seconds; a gate that is not done by then fails with that reason.
SECONDS = {
    "parses": 10.0,
    "names": 10.0,
    "traces": 20.0,
    "valid": 10.0,
    "shapes and dtypes": 20.0,
    "causal": 20.0,
    "independent": 20.0,
    "finite": 60.0,
    "gradients": 60.0,
    "cost": 60.0,
    "novel": 60.0,
}
GATES = tuple(SECONDS)
READING = GATES[: GATES.index("traces")]
PROBING = GATES[GATES.index("shapes and dtypes") :]

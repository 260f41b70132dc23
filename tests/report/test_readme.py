"""The README's measured tables, held against the records they come from."""

import re
from pathlib import Path

import pytest

from archer.report.claims import verify_file

ROOT = Path(__file__).parents[2]
MEASURED = (ROOT / "README.md").read_text().split("## Measured so far")[1].split("\n## ")[0]
_, *PARTS = re.split(r"^`(records/[\w-]+)`: ", MEASURED, flags=re.M)
SAID = dict(zip(PARTS[::2], PARTS[1::2], strict=True))


def test_at_least_two_records_are_shown() -> None:
    assert len(SAID) >= 2


@pytest.mark.parametrize("record", SAID)
def test_what_the_readme_says_of_a_record_is_so(record: str, tmp_path: Path) -> None:
    (tmp_path / "said.md").write_text(SAID[record].split("\nTrained on ")[0])
    verdicts = verify_file(tmp_path / "said.md", ROOT / record)
    assert [v for v in verdicts if v.status in ("refuted", "rounding")] == []
    rows = (ROOT / record / "results.csv").read_text().count("\n") - 1
    identical = SAID[record].count(" = |")
    assert sum(v.status == "confirmed" for v in verdicts) >= 6 * rows - identical

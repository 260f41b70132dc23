"""Records by another version of the protocol, beside published rows, and without passwords."""

from pathlib import Path

import pytest

from archer.errors import ArcherError
from archer.mad import trial
from archer.mad.plan import make_plan
from archer.mad.presets import smoke
from archer.record import make_record, rebuild
from archer.record.write import commands_of
from archer.rules.load import builtin_graph
from archer.store import open_store
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics

ROW = "model,Compress,Context Recall,Fuzzy Recall,Memorize,Noisy Recall,Selective Copy\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As if a command had trained delta on one task."""
    plan = make_plan([builtin_graph("delta")], smoke().only(["memorization"]))
    (population,) = plan.populations
    (tmp_path / "mine").mkdir()
    with open_store(tmp_path / "mine") as store, store.begin(plan, "cpu") as run:
        assert run.claim(population)
        half = SplitMetrics(0.5, 0.5, 1.0, 2.0)
        run.finish(
            {
                each.id: MemberResult(
                    steps=4, seconds=0.5, history=[EpochMetrics(1, 1.5, half, half)], best_epoch=1
                )
                for each in population.trials
            }
        )
    return tmp_path / "mine"


def test_trials_of_another_protocol_version_are_not_called_missing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "PROTOCOL_VERSION", trial.PROTOCOL_VERSION + 1)
    with pytest.raises(
        ArcherError, match=r"1 of 1 trials in .* were trained under another protocol version than"
    ):
        make_record(folder, out=tmp_path / "records", partial=True)
    assert not (tmp_path / "records").exists()


def test_published_rows_stay_with_the_record_they_were_given_to(folder, tmp_path):
    rows = tmp_path / "published.csv"
    rows.write_text(f"{ROW}delta,0.1,0.2,0.3,0.4,0.5,0.6\n")
    made = make_record(folder, out=tmp_path / "records", beside=rows)
    assert "beside/published.csv" in made.sizes
    said = (made.folder / "report.md").read_text()
    assert "## Beside published tables" in said
    rows.unlink()
    rebuilt = rebuild(made.folder, tmp_path / "again")
    assert rebuilt.difference is None
    assert (tmp_path / "again" / "report.md").read_text() == said
    assert 'id="beside"' in (tmp_path / "again" / "report.html").read_text()


def test_a_password_that_an_older_version_recorded_is_not_published():
    command = ["/bin/archer", "bench", "delta", "--store", "postgresql://me:s3cret@host/db"]
    assert commands_of([{"environment": {"command": command}}]) == [
        "archer bench delta --store 'postgresql://me:***@host/db'"
    ]

"""The metric against torchmetrics, on random and adversarial inputs."""

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy

from archer.mad.sequences import IGNORE
from archer.train import metric
from archer.train.metric import count_in_parts, macro_accuracy, plain_accuracy


def torchmetrics_macro(predictions, targets, num_classes):
    oracle = MulticlassAccuracy(num_classes, average="macro", ignore_index=-100)
    return oracle(predictions, targets)


def test_ignored_labels_are_the_tasks():
    assert metric.IGNORE == IGNORE


@pytest.mark.parametrize("num_classes", [2, 16, 8192])
@pytest.mark.parametrize("n", [1, 128, 4096])
@pytest.mark.parametrize("ignored", [0.0, 0.5, 0.95])
def test_macro_equals_torchmetrics(num_classes, n, ignored):
    generator = torch.Generator().manual_seed(num_classes + n)
    targets = torch.randint(num_classes, (n,), generator=generator)
    predictions = targets.clone()
    wrong = torch.rand(n, generator=generator) < 0.4
    predictions[wrong] = torch.randint(num_classes, (int(wrong.sum()),), generator=generator)
    targets[torch.rand(n, generator=generator) < ignored] = -100
    targets[0] = num_classes - 1
    ours = macro_accuracy(predictions, targets, num_classes)
    torch.testing.assert_close(ours, torchmetrics_macro(predictions, targets, num_classes))


# (predictions, targets, classes, macro accuracy worked out by hand)
ADVERSARIAL = {
    "one class, right": ([3, 3, 3], [3, 3, 3], 5, 1.0),
    "one class, wrong": ([1, 2, 0], [3, 3, 3], 5, 0.0),
    "false positives only count 0": ([0, 0, 0, 1], [0, 0, 0, 0], 5, 0.75 / 2),
    "never seen nor predicted is left out": ([0, 1, 1], [0, 1, 1], 1000, 1.0),
    "unbalanced": ([0] * 10, [0] * 9 + [1], 2, 0.5),
    "all ignored but one": ([4, 2, 2, 2], [4, -100, -100, -100], 5, 1.0),
    "predictions at ignored positions": ([0, 1, 2, 3], [0, -100, -100, -100], 4, 1.0),
    "the last class": ([7, 7, 6], [7, 6, 7], 8, (1 / 2 + 0) / 2),
    "recall, not precision": ([0, 0, 1, 1], [0, 1, 1, 1], 2, (1 + 2 / 3) / 2),
}


@pytest.mark.parametrize("case", ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_macro_on_adversarial_inputs(case):
    predictions, targets, num_classes, expected = case
    predictions, targets = torch.tensor(predictions), torch.tensor(targets)
    ours = macro_accuracy(predictions, targets, num_classes)
    assert ours.item() == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(ours, torchmetrics_macro(predictions, targets, num_classes))


def test_leading_axes_are_independent_batches():
    generator = torch.Generator().manual_seed(0)
    predictions = torch.randint(9, (3, 4, 50), generator=generator)
    targets = torch.randint(9, (3, 4, 50), generator=generator)
    targets[torch.rand(3, 4, 50, generator=generator) < 0.5] = -100
    ours = macro_accuracy(predictions, targets, 9)
    plain = plain_accuracy(predictions, targets)
    assert ours.shape == plain.shape == (3, 4)
    for i, j in np.ndindex(3, 4):
        one = predictions[i, j], targets[i, j]
        torch.testing.assert_close(ours[i, j], torchmetrics_macro(*one, 9))
        keep = one[1] != -100
        expected = (one[0][keep] == one[1][keep]).float().mean()
        torch.testing.assert_close(plain[i, j], expected)


def test_members_may_share_their_targets():
    predictions = torch.tensor([[[0, 1, 2]], [[2, 1, 0]], [[0, 0, 0]]])
    targets = torch.tensor([[0, 1, -100]])
    shared = macro_accuracy(predictions, targets, 3)
    repeated = macro_accuracy(predictions, targets.repeat(3, 1, 1), 3)
    torch.testing.assert_close(shared, repeated)
    torch.testing.assert_close(shared, torch.tensor([[1.0], [1 / 3], [0.5]]))
    torch.testing.assert_close(
        plain_accuracy(predictions, targets), torch.tensor([[1.0], [0.5], [0.5]])
    )


def test_int32_in_and_nothing_changed():
    predictions = torch.tensor([0, 1, 1], dtype=torch.int32)
    targets = torch.tensor([0, 1, -100], dtype=torch.int32)
    assert macro_accuracy(predictions, targets, 2).item() == 1
    assert targets.tolist() == [0, 1, -100]


def test_nothing_scored_is_nan():
    nothing = torch.full((2, 3), -100)
    assert macro_accuracy(torch.zeros(2, 3, dtype=torch.long), nothing, 4).isnan().all()
    assert plain_accuracy(torch.zeros(2, 3, dtype=torch.long), nothing).isnan().all()


@pytest.mark.parametrize(("parts", "num_classes"), [(1, 5), (7, 5), (128, 16), (300, 3)])
def test_parts_count_what_one_counts(parts, num_classes):
    random = torch.Generator().manual_seed(parts)
    classes = torch.randint(0, num_classes, (2, 3, 250), generator=random, dtype=torch.int32)
    where = torch.rand(2, 3, 250, generator=random) < 0.6
    found = count_in_parts(classes, where, num_classes, parts)
    for i in range(2):
        for j in range(3):
            asked = classes[i, j][where[i, j]]
            assert torch.equal(found[i, j], torch.bincount(asked, minlength=num_classes).int())

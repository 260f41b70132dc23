"""Precision first: measured on every statement of the corpus, and kept."""

import pytest
from claims_corpus import read, score

BATCHES = (
    "first_batch",
    "second_batch",
    "third_batch",
    "fourth_batch",
    "fifth_batch",
    "sixth_batch",
    "seventh_batch",
    "eighth_batch",
    "ninth_batch",
    "tenth_batch",
    "eleventh_batch",
    "twelfth_batch",
)


@pytest.fixture(scope="module")
def corpus():
    return {name: read(name) for name in BATCHES}


def test_the_corpus_is_large_and_balanced(corpus):
    examples = [example for batch in corpus.values() for example in batch]
    assert len(examples) >= 150
    assert len({example.table for example in examples}) >= 6
    assert {example.label for example in examples} == {"true", "false", "unclear"}
    assert len({(e.table, e.text) for e in examples}) == len(examples)


@pytest.mark.parametrize("name", BATCHES)
def test_precision_and_recall(corpus, name):
    precision, recall, wrong = score(corpus[name])
    assert precision >= 0.98, wrong
    assert recall >= 0.85, wrong

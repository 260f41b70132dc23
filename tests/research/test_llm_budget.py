"""Limits of tokens and money: checked before a request, never passed, kept over many asks."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from llm_case import answer, history, proposer
from model_server import call, hang_up, serving, status

from archer.errors import ArcherError
from archer.research.llm import Budget
from archer.research.llm.budget import BudgetError
from archer.research.proposal import ProposalError, Spent


def usage(given: int, made: int) -> dict[str, int]:
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def test_request_that_could_pass_the_token_limit_is_never_sent() -> None:
    with (
        serving(call(answer())) as server,
        pytest.raises(ProposalError, match="token limit: 0 of 9,000 are used") as refused,
    ):
        proposer(server, budget=Budget(tokens=9_000)).ask(history())
    assert server.requests == []
    assert refused.value.spent.input_tokens == 0
    assert refused.value.dialogue == ()


def test_request_that_could_pass_the_cost_limit_is_never_sent() -> None:
    budget = Budget(dollars=0.10, price_in=2.0, price_out=10.0)  # 8,000 tokens out: 0.08
    with serving(call(answer())) as server:
        with pytest.raises(ProposalError, match=r"cost limit: \$0\.0000 of \$0\.10"):
            proposer(server, budget=budget).ask(history())
        assert server.requests == []
        proposal = proposer(server, budget=budget, terms={"max_tokens": 1_000}).ask(history())
    assert proposal.spent.dollars == pytest.approx(3_000 * 2e-6 + 500 * 10e-6)
    assert budget.spent.dollars == proposal.spent.dollars


def test_limit_is_never_passed_however_long_one_asks() -> None:
    """Honest usage up to the last token allowed, retries and broken connections between."""
    budget = Budget(tokens=120_000)
    script = [status(500), call(answer()), call({}), hang_up, *[call(answer())] * 40]
    reached, spent = [], Spent()
    with serving(*script) as server:
        llm = proposer(server, budget=budget, terms={"max_tokens": 2_000})
        for _ in range(50):
            try:
                spent += llm.ask(history()).spent
            except ProposalError as refused:
                spent += refused.spent
                reached.append(str(refused))
    used = budget.spent.input_tokens + budget.spent.output_tokens
    assert used <= 120_000
    assert used > 120_000 - 25_000  # less than one request more was possible
    assert (spent.input_tokens, spent.output_tokens) == (
        budget.spent.input_tokens,
        budget.spent.output_tokens,
    )
    assert all(reason.startswith("token limit") for reason in reached)
    before = len(server.requests)
    assert 20 < before < 40


def test_what_was_spent_before_counts() -> None:
    budget = Budget(tokens=50_000, spent=Spent(0.0, 40_000, 5_000))
    with (
        serving(call(answer())) as server,
        pytest.raises(ProposalError, match="token limit: 45,000 of 50,000"),
    ):
        proposer(server, budget=budget).ask(history())
    assert server.requests == []


def test_server_that_takes_more_than_allowed_is_counted_and_is_the_last() -> None:
    budget = Budget(tokens=60_000)
    greedy = call(answer(name="momentum"), usage=usage(3_000, 70_000))
    with (
        serving(greedy, call(answer())) as server,
        pytest.raises(ProposalError, match="token limit: 73,000 of 60,000"),
    ):
        proposer(server, budget=budget).ask(history())
    assert len(server.requests) == 1
    assert budget.spent.output_tokens == 70_000


def test_answer_that_blows_up_the_next_request_is_stopped_by_the_limit() -> None:
    with (
        serving(call(answer(source="#" * 900_000)), call(answer())) as server,
        pytest.raises(ProposalError, match="token limit"),
    ):
        proposer(server, budget=Budget(tokens=500_000)).ask(history())
    assert len(server.requests) == 1


def test_bound_of_a_request_is_above_any_tokenizer() -> None:
    """One token per byte of the whole body, with every retry's longer conversation."""
    noted: list[Spent] = []
    budget = Budget(journal=noted.append)
    with serving(call({}), call(answer(motivation="漢字" * 500))) as server:
        proposer(server, budget=budget).ask(history())
    held = [noted[0], Spent(0, *_minus(noted[2], noted[1]))]
    for bound, request in zip(held, server.requests, strict=True):
        assert bound.input_tokens > int(request.headers["content-length"])
        assert bound.output_tokens == request.body["max_tokens"]


def _minus(a: Spent, b: Spent) -> tuple[int, int]:
    return a.input_tokens - b.input_tokens, a.output_tokens - b.output_tokens


def test_journal_knows_the_most_before_and_the_truth_after() -> None:
    noted: list[Spent] = []
    budget = Budget(price_in=1.0, price_out=1.0, journal=noted.append)
    with serving(call(answer())) as server:
        proposer(server, budget=budget).ask(history())
    before, after = noted
    assert before.output_tokens == 8_000
    assert before.input_tokens > 5_000
    assert after == budget.spent == Spent(0.0, 3_000, 500, 0.0035)


def test_requests_at_the_same_time_share_one_limit() -> None:
    budget = Budget(tokens=1_000)

    def one(_: int) -> int:
        try:
            held = budget.hold(6, 4)
        except BudgetError:
            return 0
        budget.settle(held, held)
        return 10

    with ThreadPoolExecutor(8) as pool:
        total = sum(pool.map(one, range(500)))
    assert total == 1_000
    assert budget.spent == Spent(0.0, 600, 400)


def test_what_is_set_aside_is_free_again_after() -> None:
    budget = Budget(tokens=100)
    held = budget.hold(50, 50)
    with pytest.raises(BudgetError, match="100 of 100 are used or set aside"):
        budget.hold(1, 0)
    budget.settle(held, Spent(0.0, 10, 0))
    budget.hold(50, 40)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dollars": 5.0}, "needs the model's prices"),
        ({"price_in": -1.0}, "numbers from 0 up"),
        ({"price_in": math.inf}, "numbers from 0 up"),
        ({"price_out": math.nan}, "numbers from 0 up"),
        ({"tokens": -1}, "from 0 up"),
        ({"dollars": math.nan, "price_in": 1.0}, "from 0 up"),
    ],
)
def test_limits_that_cannot_work_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(ArcherError, match=said):
        Budget(**options)  # type: ignore[arg-type]

"""The conversation with a model, over real HTTP on loopback."""

import asyncio
import json
from pathlib import Path

import pytest
from llm_case import AHEAD, SLOW, answer, candidate, history, proposer
from model_server import (
    Handler,
    Request,
    Said,
    call,
    drip,
    say,
    serving,
    slow,
    status,
    text,
)

import archer.research.llm.proposer as module
from archer.check import check_file
from archer.errors import ArcherError
from archer.mad.settings import TASKS
from archer.research.llm import Endpoint, LLMProposer, endpoint
from archer.research.llm.terms import Terms
from archer.research.proposal import Proposal, ProposalError


def refusal(refused: pytest.ExceptionInfo[ProposalError]) -> str:
    """The reason, which must be one line."""
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_good_answer_becomes_the_proposal_word_for_word() -> None:
    with serving(call(answer())) as server:
        proposal = proposer(server).ask(history())
    assert proposal.name == "slow_momentum"
    assert proposal.source == SLOW
    assert proposal.motivation == "A filter on writes keeps noise out."
    assert proposal.bottleneck == "delta writes noise as it writes signal."
    assert proposal.knobs == {"mu": 0.6}
    assert set(proposal.expected) == set(TASKS)
    assert proposal.expected["noisy-in-context-recall"] == 0.03
    assert (proposal.parents, proposal.proposer) == (("delta",), "llm")
    assert (proposal.spent.input_tokens, proposal.spent.output_tokens) == (3_000, 500)
    assert proposal.spent.seconds > 0


def test_model_is_told_mission_state_and_limits() -> None:
    refused = candidate("twin", "refused", "novel: computes what momentum computes")
    with serving(call(answer())) as server:
        proposer(server, terms={"max_tokens": 777, "temperature": 0.3}).ask(history(refused))
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.body["model"] == "played"
    assert (request.body["max_tokens"], request.body["temperature"]) == (777, 0.3)
    assert "local( lower(Q K^T) * D )" in request.text
    assert "causal_softmax" in request.text
    assert "computes what momentum computes" in request.text
    assert "class Delta(Rule)" in request.text
    assert "0.650 [0.630, 0.670]" in request.text
    schema = request.body["tools"][0]["function"]["parameters"]
    assert set(schema["required"]) >= {"name", "motivation", "bottleneck", "source", "expected"}


def test_hosted_service_is_given_the_limit_by_its_newer_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-the-hosted-one")
    with serving(call(answer())) as server:
        monkeypatch.setattr(endpoint, "OPENAI", server.base_url)
        proposer(server, key_env="OPENAI_API_KEY", terms={"max_tokens": 777}).ask(history())
    assert server.requests[0].body["max_completion_tokens"] == 777
    assert "max_tokens" not in server.requests[0].body


def test_dialogue_holds_every_request_and_answer_as_plain_data() -> None:
    bad = answer(name="Not Snake")
    with serving(call(bad), call(answer())) as server:
        proposal = proposer(server).ask(history())
    assert json.loads(json.dumps(proposal.dialogue)) == list(proposal.dialogue)
    first, second = proposal.dialogue
    assert first["request"] == server.requests[0].body
    assert second["request"] == server.requests[1].body
    assert first["status"] == second["status"] == 200
    for exchange, sent in ((first, bad), (second, answer())):
        made = exchange["response"]["choices"][0]["message"]["tool_calls"][0]["function"]
        assert json.loads(made["arguments"]) == sent
        assert exchange["counted"] == {"input_tokens": 3_000, "output_tokens": 500, "dollars": 0.0}
    assert first["time"] <= second["time"]
    assert proposal.spent.input_tokens == 6_000


MALFORMED = {
    "no JSON": ("{", "Invalid JSON"),
    "a list": ("[]", "should be an object"),
    "field missing": ({"name": "slow_momentum"}, "Field required"),
    "field unknown": (answer(max_tokens=10**9), "Extra inputs are not permitted"),
    "name not snake_case": (answer(name="SlowMomentum"), "is not snake_case"),
    "name of a built-in": (answer(name="momentum"), "is taken"),
    "name of a candidate": (answer(name="twin"), "is taken"),
    "task missing": (answer(expected={"compression": 0.1}), "missing: in-context-recall"),
    "task unknown": (answer(expected=dict.fromkeys((*TASKS, "chess"), 0)), "not a task: chess"),
    "change too large": (answer(expected=dict.fromkeys(TASKS, 12)), "within [-1, 1]"),
    "change in words": (answer(expected=dict.fromkeys(TASKS, "up")), "valid number"),
    "change is NaN": (json.dumps(answer(expected=dict.fromkeys(TASKS, float("nan")))), "finite"),
    "knob in words": (answer(knobs={"mu": "0.5"}), "valid number"),
    "knob undeclared": (answer(knobs={"tau": 0.5}), "tau not declared"),
    "source does not parse": (
        answer(source="class SlowMomentum(Rule:\n"),
        "does not parse: line 1",
    ),
    "source with a NUL": (answer(source=SLOW + "\x00"), "does not parse"),
    "source too deep": (answer(source="x = " + "-" * 9_000 + "1"), "nested too deeply"),
    "source too long": (answer(source=SLOW + "#" * 30_000), "are more than 20,000"),
    "no class": (answer(source="x = 1"), "defines 0 classes"),
    "two classes": (answer(source=SLOW + "\n\nclass More(Rule):\n    pass\n"), "defines 2 classes"),
    "no rule": (answer(source="class SlowMomentum:\n    pass"), "does not inherit from Rule"),
    "class named otherwise": (answer(source=SLOW.replace("SlowM", "FastM")), "'fast_momentum'"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_answer_goes_back_with_what_is_wrong_and_is_put_right(case: str) -> None:
    bad, said = MALFORMED[case]
    with serving(call(bad), call(answer())) as server:
        proposal = proposer(server).ask(history(candidate("twin", "refused", "old")))
    assert proposal.name == "slow_momentum"
    assert len(proposal.dialogue) == 2
    assert said in server.requests[1].body["messages"][-1]["content"]


def test_source_in_a_code_fence_is_taken_out_of_it() -> None:
    with serving(call(answer(source=f"```python\n{SLOW}```"))) as server:
        assert proposer(server).ask(history()).source == SLOW


def test_retries_end_and_the_last_fault_is_the_reason() -> None:
    with (
        serving(*[call(answer(name="momentum"))] * 9) as server,
        pytest.raises(ProposalError) as refused,
    ):
        proposer(server, terms={"retries": 2}).ask(history())
    reason = refusal(refused)
    assert reason == "no valid proposal in 3 answers: name 'momentum' is taken; choose another"
    assert len(server.requests) == len(refused.value.dialogue) == 3
    assert refused.value.spent.input_tokens == 9_000


def test_no_retries_means_one_request() -> None:
    with (
        serving(call({})) as server,
        pytest.raises(ProposalError, match="in 1 answers: name: Field required"),
    ):
        proposer(server, terms={"retries": 0}).ask(history())
    assert len(server.requests) == 1


def test_look_ahead_found_by_the_precheck_goes_back_to_the_model(tmp_path: Path) -> None:
    def gates(proposal: Proposal) -> str | None:
        path = tmp_path / "rule.py"
        path.write_text(proposal.source)
        failed = check_file(str(path)).failed
        return failed.message if failed else None

    wrong = SLOW.replace("p.mu * slots.m", "torch.cumsum(slots.m, 0)").replace(
        "from archer", "import torch\nfrom archer", 1
    )
    script = [call(answer(source=wrong, knobs={})), call(answer(source=AHEAD, knobs={}))]
    with serving(*script, call(answer())) as server:
        proposal = proposer(server, precheck=gates).ask(history())
    assert proposal.source == SLOW
    first, second = (request.body["messages"][-1]["content"] for request in server.requests[1:])
    assert "'cumsum' is not an allowed operation" in first
    assert "lets a token see later ones" in second


@pytest.mark.usefixtures("warm")
def test_reason_of_the_real_gates_reaches_the_model() -> None:
    from archer.research.gates import gate

    def gates(proposal: Proposal) -> str | None:
        failed = gate(proposal, {}).failed
        return f"{failed.gate}: {failed.reason}" if failed else None

    script = [call(answer(source=AHEAD, knobs={})), call(answer(name="momentum"))]
    with serving(*script) as server, pytest.raises(ProposalError, match="is taken"):
        proposer(server, precheck=gates, terms={"retries": 1}).ask(history())
    said = server.requests[1].body["messages"][-1]["content"]
    assert "traces: " in said
    assert "lets a token see later ones" in said


def test_slow_precheck_does_not_count_against_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    import time
    from dataclasses import replace

    from llm_case import EAGER

    patience = replace(EAGER, total=60.0)
    said = ["again", None]
    real, slept = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + slept[0])

    def gates(proposal: Proposal) -> str | None:
        slept[0] += 3600.0  # the clock is put forward: all but asleep
        return said.pop(0)

    with serving(call(answer()), call(answer())) as server:
        llm = proposer(server, precheck=gates, patience=patience)
        assert llm.ask(history()).name == "slow_momentum"
    assert said == []


def test_fault_of_the_precheck_is_not_blamed_on_the_model() -> None:
    def broken(proposal: Proposal) -> str | None:
        raise ZeroDivisionError("gate")

    with serving(call(answer())) as server, pytest.raises(ZeroDivisionError, match="gate"):
        proposer(server, precheck=broken).ask(history())


def test_refusal_ends_it_with_the_models_words() -> None:
    refused_message = {"role": "assistant", "content": None, "refusal": "I will not do this."}
    with serving(say(Said(refused_message))) as server, pytest.raises(ProposalError) as refused:
        proposer(server).ask(history())
    assert refusal(refused) == "the model refused: I will not do this."
    assert len(server.requests) == 1
    assert refused.value.spent.output_tokens == 500


def test_reason_cannot_move_the_cursor_of_a_terminal() -> None:
    vile = "no \x1b[31mred\x07\n\x9b2J"
    message = {"role": "assistant", "content": None, "refusal": vile}
    for reply in (say(Said(message)), status(404, vile)):
        with serving(reply) as server, pytest.raises(ProposalError) as refused:
            proposer(server).ask(history())
        assert str(refused.value).isprintable()
        assert "no [31mred 2J" in str(refused.value)


def test_refusal_in_plain_words_is_asked_again_and_then_quoted() -> None:
    with (
        serving(*[text("Sorry, I cannot help with that.")] * 3) as server,
        pytest.raises(ProposalError) as refused,
    ):
        proposer(server, terms={"retries": 1}).ask(history())
    assert 'it said "Sorry, I cannot help with that."' in refusal(refused)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("content_filter", "content filter"), ("length", "cut off at its limit")],
)
def test_filtered_and_cut_off_answers_say_so(finish: str, reason: str) -> None:
    message = {"role": "assistant", "content": "The rule"}
    with (
        serving(say(Said(message, finish))) as server,
        pytest.raises(ProposalError, match=reason),
    ):
        proposer(server).ask(history())
    assert len(server.requests) == 1


def test_call_of_a_tool_that_does_not_exist_is_corrected() -> None:
    with serving(call({"command": "rm -rf /"}, tool="bash"), call(answer())) as server:
        assert proposer(server).ask(history()).name == "slow_momentum"
    assert "Unknown tool name: 'bash'" in server.requests[1].text


@pytest.mark.parametrize("kind", ["text", "json"])
def test_servers_without_tools_answer_in_text(kind: str) -> None:
    script = [text("no JSON at all"), text(json.dumps(answer()))]
    with serving(*script) as server:
        proposal = proposer(server, terms={"answer": kind}).ask(history())
    assert proposal.source == SLOW
    assert all("tools" not in request.body for request in server.requests)
    schema = {"text": "bottleneck", "json": "json_schema"}[kind]
    assert schema in json.dumps(server.requests[0].body)


def test_works_where_an_event_loop_runs_already() -> None:
    async def notebook() -> Proposal:
        return proposer(server).ask(history())

    with serving(call(answer())) as server:
        assert asyncio.run(notebook()).name == "slow_momentum"


def test_time_for_the_whole_proposal_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import time
    from dataclasses import replace

    from llm_case import EAGER

    real, later = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + later[0])

    def late(handler: Handler, request: Request) -> None:
        later[0] = 3600.0  # once the request is there
        drip(b" ", 0.05)(handler, request)

    patience = replace(EAGER, total=600.0, request=7200.0)
    with serving(late) as server, pytest.raises(ProposalError) as refused:
        proposer(server, patience=patience).ask(history())
    assert refusal(refused) == "no proposal within 600 s"
    (exchange,) = refused.value.dialogue
    assert exchange["error"] == "given up in the middle"
    assert refused.value.spent.input_tokens > 5_000  # it may have been billed: counted in full
    assert 3600 <= refused.value.spent.seconds < 7200


def test_interruption_is_let_through_and_what_it_may_cost_is_counted() -> None:
    """Ctrl-C cancels the task; it must end as cancelled, not as one more failed proposal."""
    from archer.research.llm.conversation import Conversation
    from archer.research.llm.wire import Wire

    async def interrupt() -> None:
        talk = Conversation(llm.endpoint, llm.terms, wire, history(), None)
        task = asyncio.create_task(talk.hold("llm"))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with serving(slow(5)) as server:
        llm = proposer(server)
        wire = Wire(llm.budget, llm.patience, "")
        asyncio.run(interrupt())
    assert wire.exchanges[0].error == "given up in the middle"
    assert llm.budget.spent.output_tokens == 8_000


def test_all_other_errors_are_proposal_errors() -> None:
    with (
        serving(status(400, "context length exceeded")) as server,
        pytest.raises(ProposalError) as refused,
    ):
        proposer(server).ask(history())
    assert refusal(refused) == "the server answers 400: context length exceeded"


def test_missing_extra_names_the_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ArcherError, match=r"pip install 'archer\[llm\]'"):
        LLMProposer(Endpoint("m", "http://localhost:1/v1"))


@pytest.mark.parametrize("bad", [{"retries": -1}, {"max_tokens": 0}, {"prompt_tokens": 100}])
def test_impossible_terms_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ArcherError, match="must be at least"):
        Terms(**bad)

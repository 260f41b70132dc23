"""The key reaches the model's server and nothing else."""

import json
import logging
import traceback

import pytest
from llm_case import EAGER, answer, history, proposer
from model_server import Reply, call, raw, serving, status, text

from archer.errors import ArcherError
from archer.research.llm import Endpoint
from archer.research.proposal import ProposalError

KEY = "sk-live-0123456789abcdef/+=="

ECHOES: dict[str, list[Reply]] = {
    "in a good answer": [call(answer(motivation=f"Because {KEY}.", source=f"# {KEY}\nx = 1"))] * 2,
    "in text": [text(f"Your key is {KEY}")] * 2,
    "in an error": [status(401, f"Incorrect API key provided: {KEY}")],
    "in a page": [raw(f"<html>{KEY}</html>".encode())],
    "in a redirect": [raw(b"", 302, location=f"http://evil.example/?{KEY}")],
    "escaped": [raw(json.dumps({"error": {"message": KEY}}).replace("/", "\\/").encode(), 400)],
    "as a field": [raw(json.dumps({KEY: KEY, "choices": []}).encode())],
    "in the wait": [status(429, KEY, retry_after="9999")],
}


@pytest.mark.parametrize("case", ECHOES)
def test_key_that_a_server_echoes_is_in_nothing_kept(
    case: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    caplog.set_level(logging.DEBUG)
    with serving(*ECHOES[case]) as server, pytest.raises(ProposalError) as refused:
        proposer(server, key_env="OPENAI_API_KEY", terms={"retries": 1}).ask(history())
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    assert server.requests
    kept = [str(refused.value), repr(refused.value), json.dumps(refused.value.dialogue)]
    kept += ["".join(traceback.format_exception(refused.value)), caplog.text]
    kept += [str(record.args) for record in caplog.records]
    assert caplog.records  # something was logged
    assert all(KEY not in each and KEY.replace("/", "\\/") not in each for each in kept)
    assert "sk-live" not in "".join(kept)


def test_key_echoed_in_a_valid_proposal_is_gone_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(call(answer(motivation=f"Because {KEY}."))) as server:
        proposal = proposer(server, key_env="OPENAI_API_KEY").ask(history())
    assert proposal.motivation == "Because [key]."
    assert KEY not in repr(proposal)


@pytest.mark.parametrize("kind", ["tool", "text"])
def test_key_escaped_in_the_json_inside_an_answer_is_gone_too(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    escaped = "".join(f"\\u{ord(c):04X}" for c in KEY)
    said = json.dumps(answer(motivation="Because KEY.")).replace("KEY", escaped)
    reply = call(said) if kind == "tool" else text(said)
    with serving(reply) as server:
        llm = proposer(server, key_env="OPENAI_API_KEY", terms={"answer": kind})
        proposal = llm.ask(history())
    assert proposal.motivation == "Because [key]."
    assert escaped not in repr(proposal)


def test_key_comes_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-key")
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    with serving(call(answer())) as server:
        llm = proposer(server, key_env="MY_KEY", patience=EAGER)
        llm.ask(history())
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(llm.endpoint)
    assert KEY not in str(vars(llm))


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(call(answer())) as server:
        proposer(server, key_env="OPENAI_API_KEY").ask(history())
    assert "authorization" not in server.requests[0].headers


def test_hosted_service_without_a_key_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ArcherError, match="no key in the environment variable OPENAI_API_KEY"):
        Endpoint("gpt")


def test_key_does_not_travel_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ArcherError, match=r"unencrypted to gpu\.example") as refused:
        Endpoint("m", "http://gpu.example:8000/v1")
    assert KEY not in str(refused.value)
    assert Endpoint("m", "http://gpu.example:8000/v1", key_env="").key == ""
    assert Endpoint("m", "https://gpu.example/v1").key == KEY
    assert Endpoint("m", "http://localhost:8000/v1").key == KEY
    assert Endpoint("m", "http://[::1]:8000/v1").key == KEY


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "ftp://x/v1", "http://", "http://h:port/v1", "", "http://h:99999/v1"],
)
def test_address_that_is_none(url: str) -> None:
    with pytest.raises(ArcherError, match="--base-url is no address"):
        Endpoint("m", url)


@pytest.mark.parametrize("url", [f"https://me:{KEY[:8]}@h/v1", "https://h/v1?key=sk-live-1"])
def test_address_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ArcherError, match="belongs into the environment") as refused:
        Endpoint("m", url)
    assert "sk-live" not in str(refused.value)


def test_no_model_and_odd_keys_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArcherError, match="no model named"):
        Endpoint(" ", "http://localhost:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ключ")
    with pytest.raises(ArcherError, match="characters that no key can have") as refused:
        Endpoint("m")
    assert "ключ" not in str(refused.value)

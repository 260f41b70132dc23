"""A real HTTP server on loopback that plays a model: it gives scripted replies, one per request."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 3_000, "completion_tokens": 500, "total_tokens": 3_500}


@dataclass
class Request:
    """What a client sent."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """All that the messages say, in one string."""
        return json.dumps(self.body["messages"], ensure_ascii=False)


Reply = Callable[["Handler", Request], None]


class Handler(BaseHTTPRequestHandler):
    """Records the request, then lets the next reply of the script write the response."""

    protocol_version = "HTTP/1.1"
    server: "ModelServer"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, json.loads(raw))
        with self.server.lock:
            self.server.requests.append(request)
            reply = self.server.script.pop(0) if self.server.script else status(410)
        try:
            reply(self, request)
        except OSError:  # the client has had enough
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def respond(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ModelServer(ThreadingHTTPServer):
    """The script of replies still to give, and the requests it received."""

    daemon_threads = True

    def __init__(self, script: list[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.requests = script, list[Request]()
        self.lock, self.over = threading.Lock(), threading.Event()
        self.dripped = 0  # bytes of endless bodies that clients took

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def serving(*script: Reply) -> Iterator[ModelServer]:
    """A server on a free port, until the end of the block."""
    server = ModelServer(list(script))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.socket.close()


@dataclass(frozen=True)
class Said:
    """A chat completion, for replies to be made of."""

    message: dict[str, Any]
    finish: str = "stop"
    usage: Any = field(default_factory=lambda: dict(USAGE))

    def body(self) -> dict[str, Any]:
        choice = {"index": 0, "message": self.message, "finish_reason": self.finish}
        completion = {"id": "c1", "object": "chat.completion", "created": 1, "model": "played"}
        usage = {} if self.usage is None else {"usage": self.usage}
        return completion | {"choices": [choice]} | usage


def say(said: Said) -> Reply:
    """Reply with a completion, as it is."""
    return raw(json.dumps(said.body()).encode())


def call(arguments: Any, tool: str | None = None, **changes: Any) -> Reply:
    """Call the tool that was offered, or one of another name."""

    def reply(handler: Handler, request: Request) -> None:
        name = tool or request.body["tools"][0]["function"]["name"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        function = {"name": name, "arguments": text}
        calls = [{"id": "t1", "type": "function", "function": function}]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        said = Said(message, "tool_calls", **changes)
        handler.respond(200, json.dumps(said.body()).encode())

    return reply


def text(content: str, **changes: Any) -> Reply:
    """Answer with text and no tool call."""
    return say(Said({"role": "assistant", "content": content}, **changes))


def raw(body: bytes, code: int = 200, **headers: str) -> Reply:
    """Answer with these bytes; header names with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, request: handler.respond(code, body, named)


def status(code: int, message: str = "no", **headers: str) -> Reply:
    """Answer with an error as OpenAI words it."""
    return raw(json.dumps({"error": {"message": message}}).encode(), code, **headers)


def slow(seconds: float) -> Reply:
    """Say nothing for so long, then nothing at all."""

    def reply(handler: Handler, request: Request) -> None:
        handler.server.over.wait(seconds)
        handler.close_connection = True

    return reply


def drip(piece: bytes, pause: float = 0.0) -> Reply:
    """A body that never ends, piece by piece, until the client hangs up."""

    def reply(handler: Handler, request: Request) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        while not handler.server.over.is_set():
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.flush()
            handler.server.dripped += len(piece)
            time.sleep(pause)

    return reply


def hang_up(handler: Handler, request: Request) -> None:
    """Close the connection without a word."""
    handler.close_connection = True

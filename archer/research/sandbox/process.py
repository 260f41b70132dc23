"""Starts a confined process, reads its answers, and ends it: at a limit, or when it has answered.

The process gets a session of its own, an environment of a few fixed names, no open file but three
pipes, and its request on stdin. What it answers is data from a stranger.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any, NoReturn

from archer.errors import ArcherError
from archer.research.sandbox.limits import Limits
from archer.research.sandbox.lockdown import LAYERS

# -I: no PYTHON* variables, no folder of the user's; so the search path is handed over.
_START = (
    "import sys; answers, parent, *sys.path[:] = sys.argv[1:]; "
    "from archer.research.sandbox.child import main; main(int(answers), int(parent))"
)
_ALWAYS = ("scrubbed environment", "no inherited files", "process group of its own")


@dataclass(frozen=True)
class Run:
    """What came of a confined process.

    answers: those that came in time. failure: why one is missing, else "". output: the beginning
    of what it printed. protection: what was in force, in words.
    """

    answers: tuple[dict[str, Any], ...]
    failure: str
    output: str
    seconds: float
    protection: tuple[str, ...]


def run(
    job: str,
    data: object,
    *,
    seconds: Sequence[float],
    limits: Limits,
    layers: Iterable[str] = LAYERS,
) -> Run:
    """Do one of Archer's jobs in a confined process and take one answer for each of `seconds`.

    job: a module with `prepare(data)`, which runs before the process is locked down, and
    `work(data, send)`, after. seconds: wall-clock limits, one per answer. Raises ArcherError if it
    is never locked down, and nothing for what it does from then on.
    """
    started = time.monotonic()
    request = {"job": job, "data": data, "limits": asdict(limits), "layers": list(layers)}
    read_end, write_end = os.pipe()
    with tempfile.TemporaryFile() as stdin, os.fdopen(read_end, "rb", buffering=0) as answers:
        stdin.write(json.dumps(request).encode())
        stdin.seek(0)
        try:
            process = _start(stdin, write_end)
        finally:
            os.close(write_end)
        with process:
            watch = _Watch(process, answers, limits)
            try:
                failure = watch.until_answered([limits.start_seconds, *seconds])
            finally:
                _end(process)
    if not watch.answers:  # nothing proposed has run yet: this is not the proposal's fault
        raise ArcherError(f"the confined process does not start: it {failure}")
    in_force, *given = watch.answers
    return Run(
        answers=tuple(given),
        failure=failure,
        output=watch.output.decode(errors="replace"),
        seconds=time.monotonic() - started,
        protection=(*_ALWAYS, *in_force["protection"]),
    )


def _start(stdin: IO[bytes], answers: int) -> "subprocess.Popen[bytes]":
    path = [os.path.abspath(folder) for folder in sys.path]
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-u", "-c", _START, str(answers), str(os.getpid()), *path],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(answers,),
        start_new_session=True,
        env=_environment(),
        cwd="/",
        bufsize=0,
    )


def _environment() -> dict[str, str]:
    """Nothing of the parent's but where its shared libraries lie, without which torch may not load.

    One thread: the process may not start others once it is locked down.
    """
    fixed = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    fixed |= {"PYTHONHASHSEED": "0", "CUDA_VISIBLE_DEVICES": ""}
    fixed |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    libraries = os.environ.get("LD_LIBRARY_PATH")
    return fixed | ({"LD_LIBRARY_PATH": libraries} if libraries else {})


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the process with its whole group; not yet waited for, so the group is surely its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


@dataclass
class _Watch:
    """Reads what a process prints and answers, as far as its limits go."""

    process: "subprocess.Popen[bytes]"
    pipe: IO[bytes]
    limits: Limits
    answers: list[dict[str, Any]] = field(default_factory=list)
    output: bytearray = field(default_factory=bytearray)
    _unread: bytearray = field(default_factory=bytearray)
    _received: int = 0

    def until_answered(self, seconds: Sequence[float]) -> str:
        """Wait for one answer per entry of `seconds`; "" or why one is missing."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self.pipe, selectors.EVENT_READ)
                assert self.process.stdout is not None
                selector.register(self.process.stdout, selectors.EVENT_READ)
                for limit in seconds:
                    self._one_answer(selector, limit)
                self._rest_of_output()
        except _FailureError as failure:
            return str(failure)
        return ""

    def _one_answer(self, selector: selectors.BaseSelector, limit: float) -> None:
        deadline = time.monotonic() + limit
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                raise _FailureError(f"was not done after {limit:g} s, its limit")
            # answers first: an answer counts although its process has since printed too much
            pipes = {key.fileobj for key, _ in ready}
            self._read(selector, self.pipe if self.pipe in pipes else pipes.pop())
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread = bytearray(rest)
        self.answers.append(_parse(line))

    def _read(self, selector: selectors.BaseSelector, pipe: Any) -> None:
        received = os.read(pipe.fileno(), 1 << 16)
        if pipe is self.pipe:
            self._received += len(received)
            self._unread += received
            if self._received > self.limits.answer:
                raise _FailureError(f"answered with more than {self.limits.answer} bytes")
            if not received:
                raise _FailureError(self._why_ended())
        elif received:
            self.output += received
            if len(self.output) > self.limits.output:
                del self.output[self.limits.output :]
                raise _FailureError(f"printed more than {self.limits.output} bytes")
        else:
            selector.unregister(pipe)

    def _rest_of_output(self) -> None:
        """What it printed before its last answer, which may still be in the pipe."""
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        left = self.limits.output - len(self.output)
        self.output += (self.process.stdout.read(left) if left else b"") or b""

    def _why_ended(self) -> str:
        """It closed its pipe without an answer: by ending, if it ends now."""
        try:
            code = self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "closed its pipe without an answer"
        if code == -signal.SIGXCPU:
            return f"used more than its {self.limits.cpu_seconds} s of processor time"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name} without an answer"
        return f"ended without an answer (exit code {code}){self._last_line()}"

    def _last_line(self) -> str:
        lines = self.output.decode(errors="replace").splitlines()
        return f": {lines[-1][:200]}" if lines else ""


class _FailureError(Exception):
    """A limit was exceeded or the process broke off."""


def _parse(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _FailureError(f"answered with what is not JSON: {type(error).__name__}") from None
    if not isinstance(answer, dict):
        raise _FailureError("answered with what is not a JSON object")
    return answer


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

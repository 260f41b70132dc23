"""Confined processes that need not import torch: forks of one that has done nothing else.

All else is as ever: environment, search path, the request on stdin, lockdown after the job has
imported what it needs. A source that does not mention torch has a process started for it alone, as
outside of tests, since what happens there must not lean on torch.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any

from archer.research.sandbox import process

SERVER = """
import os, socket, sys
server, *sys.path[:] = sys.argv[1:]
import torch

def work(answers, stdin, output):
    os.setsid()
    for place, file in enumerate((stdin, output, output)):
        os.dup2(file, place)
    os.dup2(answers, 3)
    os.closerange(4, 256)
    from archer.research.sandbox.child import main
    main(3, os.getppid())

def serve(line, files):
    child = os.fork()
    if child == 0:
        work(*files)
    for file in files:
        os.close(file)
    line.sendall(b"%d\\n" % child)
    line.sendall(b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)

listening, serving = socket.socket(fileno=int(server)), set()
while True:
    line, _ = listening.accept()
    files = socket.recv_fds(line, 1, 3)[1]
    if not files:  # asked to end
        break
    serving.add(os.fork())
    if 0 in serving:
        serve(line, files)
    for file in files:
        os.close(file)
    line.close()
    serving = {one for one in serving if os.waitpid(one, os.WNOHANG) == (0, 0)}
for one in serving:
    os.waitpid(one, 0)
"""


class Server:
    """The process that is forked; `start` takes the place of `process._start`."""

    def __init__(self, address: str) -> None:
        self.address, self.cold = address, process._start
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen()
            place = listening.fileno()
            path = [os.path.abspath(folder) for folder in sys.path]
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-u", "-c", SERVER, str(place), *path],
                pass_fds=(place,),
                env=process._environment(),
                cwd="/",
            )

    def start(self, stdin: IO[bytes], answers: int) -> Any:
        request = stdin.read()
        stdin.seek(0)
        if b"torch" in request or b"gates.probing" in request:
            return Process(self.address, stdin, answers)
        return self.cold(stdin, answers)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self.address)
        self.process.wait()


class Process:
    """As much of a `Popen` as the sandbox asks of one."""

    def __init__(self, address: str, stdin: IO[bytes], answers: int) -> None:
        read_end, write_end = os.pipe()
        self.stdout = os.fdopen(read_end, "rb", buffering=0)
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(address)
        socket.send_fds(self._line, [b"+"], [answers, stdin.fileno(), write_end])
        os.close(write_end)
        self._told = self._line.makefile("r")
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self.returncode = int(self._told.readline())
            except TimeoutError:
                raise subprocess.TimeoutExpired("forked", timeout or 0.0) from None
        return self.returncode

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *raised: object) -> None:
        self.stdout.close()
        self.wait()
        self._told.close()
        self._line.close()

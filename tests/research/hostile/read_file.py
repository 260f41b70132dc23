"""Reads a file by every way there is: Python, the C library, a system call, a link."""

import ctypes
import os

from archer import Rule

TARGET = "@target@"
libc = ctypes.CDLL(None)


def by_python():
    with open(TARGET) as file:
        return file.read()


def by_c_library():
    buffer = ctypes.create_string_buffer(100)
    libc.read(libc.open(TARGET.encode(), 0), buffer, 99)
    return buffer.value


def by_descriptor():
    return os.read(os.open(TARGET, os.O_RDONLY), 100)


def by_folder():
    folder = os.open(os.path.dirname(TARGET), os.O_RDONLY | os.O_DIRECTORY)
    return os.read(os.open(os.path.basename(TARGET), os.O_RDONLY, dir_fd=folder), 100)


for way in (by_python, by_c_library, by_descriptor, by_folder):
    try:
        print("read", way())
    except OSError as error:
        print("refused", type(error).__name__)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS

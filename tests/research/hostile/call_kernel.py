"""Makes system calls by their numbers, of which x86-64 has fewer than 500."""

import ctypes

from archer import Rule

libc = ctypes.CDLL(None, use_errno=True)
GIVEN = "@target@"
NUMBERS = [int(number) for number in GIVEN.split()]
passed = []
for number in NUMBERS:
    ctypes.set_errno(0)
    libc.syscall(number, 0, 0, 0, 0, 0, 0)
    if ctypes.get_errno() not in (1, 38):  # EPERM, ENOSYS
        passed.append(number)
print("passed", passed)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS

"""System calls that a worker gives up: connecting, starting programs, writing and renaming files, watching others.

A classic BPF program (seccomp(2)) for x86-64 and arm64. A call that is given up fails with EPERM, as if the machine did
not allow it; what DuckDB, numpy and threads need goes on as before. clone3 fails as unknown, so that the C library
falls back to clone, whose flags can be looked at: threads may be made, processes not.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping
from typing import Final

__all__ = ["filter_system_calls"]

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_AND, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
_CLONE_THREAD = 0x10000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_X32 = 0x40000000

_KERNELS: Final[Mapping[str, int]] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""Machine → what seccomp calls it."""

_GIVEN_UP: Final[Mapping[str, tuple[int, ...]]] = {
    "x86_64": (
        *(41, 42, 43, 49, 50, 288),  # socket connect accept bind listen accept4
        *(57, 58, 59, 322, 101, 62, 424, 434, 438),  # fork vfork execve execveat ptrace kill pidfd_*
        *(310, 311, 440, 312),  # process_vm_readv process_vm_writev process_madvise kcmp
        *(
            2,
            85,
            76,
            77,
            82,
            83,
            84,
            86,
            87,
            88,
            90,
            91,
            92,
            93,
            94,
            133,
            132,
            235,
        ),  # open creat truncate rename …
        *(
            258,
            259,
            260,
            263,
            264,
            265,
            266,
            268,
            280,
            316,
            437,
            452,
        ),  # mkdirat … unlinkat renameat* openat2 fchmodat2
        *(
            161,
            155,
            165,
            166,
            272,
            308,
            428,
            429,
            430,
            431,
            432,
            442,
        ),  # chroot pivot_root mount … unshare setns
        *(321, 298, 323, 425, 426, 427, 248, 249, 250),  # bpf perf_event_open userfaultfd io_uring_* keyctl
        *(105, 106, 113, 114, 117, 119, 116, 126, 200, 129, 297),  # setuid … capset tkill rt_*sigqueueinfo
        *(29, 30, 31, 67, 68, 69, 70, 71, 240, 241, 319),  # shared memory, message queues, memfd_create
        *(
            188,
            189,
            190,
            197,
            198,
            199,
            103,
            169,
            170,
            171,
            175,
            313,
            176,
            246,
            320,
        ),  # xattr, reboot, modules, kexec
    ),
    "aarch64": (
        *(198, 203, 202, 200, 201, 242),  # socket connect accept bind listen accept4
        *(221, 281, 117, 129, 424, 434, 438),  # execve execveat ptrace kill pidfd_*
        *(270, 271, 440, 272),  # process_vm_readv process_vm_writev process_madvise kcmp
        *(
            45,
            46,
            33,
            34,
            35,
            36,
            37,
            38,
            52,
            53,
            54,
            55,
            88,
            276,
            437,
            452,
        ),  # truncate … unlinkat renameat* openat2
        *(51, 41, 40, 39, 97, 268, 428, 429, 430, 431, 432, 442),  # chroot pivot_root mount … unshare setns
        *(280, 241, 282, 425, 426, 427, 217, 218, 219),  # bpf perf_event_open userfaultfd io_uring_* keyctl
        *(144, 146, 143, 145, 147, 149, 159, 91, 130, 138, 240),  # setgid … capset tkill rt_*sigqueueinfo
        *(194, 195, 196, 180, 181, 186, 187, 188, 189, 279),  # shared memory, message queues, memfd_create
        *(5, 6, 7, 14, 15, 16, 116, 142, 105, 273, 106, 104, 294),  # xattr, reboot, modules, kexec
    ),
}
_OPENAT: Final = {"x86_64": 257, "aarch64": 56}
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_CLONE3: Final = 435
_PRLIMIT: Final = {"x86_64": 302, "aarch64": 261}
_TGKILL: Final = {"x86_64": 234, "aarch64": 131}


def filter_system_calls(libc: ctypes.CDLL) -> bool:
    """Give the calls up for this process and all its threads; False where machine or kernel has no such filter.

    `no_new_privs` must be set before.
    """
    machine = platform.machine()
    if machine not in _KERNELS:
        return False
    program = _program(machine)
    buffer = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    # The flag (1) takes threads along that stand already.
    number = {"x86_64": 317, "aarch64": 277}[machine]
    done: int = libc.syscall(number, 1, 1, described)
    return done == 0


def _program(machine: str) -> bytes:
    """The filter: another machine's calls kill, what is given up fails, the rest goes on."""
    fail, unknown = _FAIL | errno.EPERM, _FAIL | errno.ENOSYS
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _KERNELS[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [(_JUMP_AND, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for number in _GIVEN_UP[machine]:
        steps += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, fail)]
    steps += [(_JUMP_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, unknown)]
    # prlimit64(process, …) and tgkill(process, …): of this process only, by its two names.
    for number, process in ((_PRLIMIT[machine], 0), (_TGKILL[machine], os.getpid())):
        steps += [(_JUMP_EQUAL, 0, 4, number), (_LOAD, 0, 0, _ARGUMENT)]
        steps += [(_JUMP_EQUAL, 1, 0, process), (_RETURN, 0, 0, fail), (_RETURN, 0, 0, _ALLOW)]
    # openat(folder, path, flags): for reading only.
    steps += [(_JUMP_EQUAL, 0, 4, _OPENAT[machine]), (_LOAD, 0, 0, _ARGUMENT + 2 * 8)]
    steps += [(_JUMP_AND, 0, 1, _WRITING), (_RETURN, 0, 0, fail), (_RETURN, 0, 0, _ALLOW)]
    # clone(flags, …): threads only.
    steps += [(_JUMP_EQUAL, 0, 3, _CLONE[machine]), (_LOAD, 0, 0, _ARGUMENT)]
    steps += [(_JUMP_AND, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, fail), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)

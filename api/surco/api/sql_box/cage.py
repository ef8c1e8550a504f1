"""What a worker gives up before it sees a query: memory, files, other processes, the network. Linux; elsewhere less.

Each wall stands by itself, and none needs root: limits of the kernel on memory, processor time, files and dumps; no new
privileges; Landlock (Linux 5.13), after which only the store's tables and the Python installation can be read and
nothing can be written or connected to; a system call filter (`syscalls`). What a kernel does not know is left out, and
`Walls` says so.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from surco.api.sql_box.syscalls import filter_system_calls

__all__ = [
    "Walls",
    "confine",
    "die_with_parent",
    "limit_cpu",
    "memory_in_use",
    "memory_reserved",
    "store_parts",
]

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# By version of Landlock: what it can forbid on files, on TCP, and towards other processes.
_FILE_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP_SINCE, _TCP_RIGHTS = 4, 3
_SCOPES_SINCE, _SCOPES = 6, 3
_SPARE: Final = 64 << 20
_READABLE: Final = (
    *("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo"),
    *("/sys/fs/cgroup", "/proc/self/cgroup"),  # how many processors and what memory may be used
    "/proc/self/maps",  # where threadpoolctl finds the libraries that compute
)
_PRIVATE: Final = {".runs", ".server", ".staging", ".writers"}


@dataclass(frozen=True, slots=True)
class Walls:
    """Which of the walls stand that a kernel may not have."""

    landlock: bool
    system_calls: bool


def die_with_parent(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Let the kernel signal this process when the thread that started it ends; exit where that has happened."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def confine(store: Path, memory: int) -> Walls:
    """Raise every wall. Cannot be undone.

    Args:
        store: the store's folder, of which tables, models, adapters and search files stay readable.
        memory: bytes that may be taken beyond what is taken now.
    """
    _limit(memory)
    if sys.platform != "linux":
        return Walls(landlock=False, system_calls=False)
    libc = _libc()
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _drop_capabilities(libc)
    landlock = _only_readable([*store_parts(store), *_installation()])
    return Walls(landlock=landlock, system_calls=filter_system_calls(libc))


def limit_cpu(seconds: int) -> None:
    """Let the kernel end this process after so many more seconds of processor time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, resource.RLIM_INFINITY))


def memory_in_use(pid: int | str = "self") -> int:
    """Bytes of memory of its own that a process holds; 0 where it is gone or the system does not say."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_bytes().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * resource.getpagesize()


def memory_reserved(pid: int | str = "self") -> int:
    """Bytes of its own that a process may write to, resident or not, as RLIMIT_DATA counts them; 0 as above."""
    try:
        data = Path(f"/proc/{pid}/statm").read_bytes().split()[5]
    except (OSError, IndexError):
        return 0
    return int(data) * resource.getpagesize()


def store_parts(store: Path) -> list[Path]:
    """What of a store's folder a query may need: all but the server's own state and what writers have in hand."""
    return sorted(path for path in store.iterdir() if path.name not in _PRIVATE)


def _limit(memory: int) -> None:
    limits = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: 256}
    if sys.platform == "linux":
        limits[resource.RLIMIT_DATA] = _status("VmData") + memory + _SPARE
        # Mapped tables count here and not above: room for them, and an end all the same.
        limits[resource.RLIMIT_AS] = _status("VmSize") + 2 * memory + (16 << 30)
        limits |= {resource.RLIMIT_MEMLOCK: 0, resource.RLIMIT_MSGQUEUE: 0}
    for what, most in limits.items():
        resource.setrlimit(what, (most, most))


def _status(name: str) -> int:
    """A size from /proc/self/status, bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in /proc/self/status")


def _installation() -> list[Path]:
    """Where Python finds what it imports when it first needs it, and the system its libraries."""
    entries = (sys.prefix, f"{sys.base_prefix}/lib", *sys.path, *_READABLE)
    folders = {Path(entry).resolve() for entry in entries if entry}
    return [path for path in sorted(folders) if path.exists() and path != Path("/")]


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Root keeps reading what others own, where Landlock lets it, and nothing else of its powers."""
    if os.geteuid() == 0:
        kept = 1 << 2  # CAP_DAC_READ_SEARCH
        libc.capset(struct.pack("<Ii", 0x20080522, 0), struct.pack("<6I", kept, kept, 0, 0, 0, 0))


def _only_readable(paths: Iterable[Path]) -> bool:
    """Forbid every access to files but reading below these paths; False where the kernel has no Landlock."""
    libc = _libc()
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    files = _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= version)]
    tcp = _TCP_RIGHTS if version >= _TCP_SINCE else 0
    scopes = _SCOPES if version >= _SCOPES_SINCE else 0
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _TCP_SINCE else 8
    rules = libc.syscall(_LANDLOCK_CREATE, struct.pack("<QQQ", files, tcp, scopes), ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    for path in paths:
        _allow_reading(libc, rules, path)
    restricted: int = libc.syscall(_LANDLOCK_RESTRICT, rules, 0)
    os.close(rules)
    return restricted == 0


def _allow_reading(libc: ctypes.CDLL, rules: int, path: Path) -> None:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rights = _READ_FILE | (_READ_DIR if path.is_dir() else 0)
    failed = libc.syscall(_LANDLOCK_ADD, rules, 1, struct.pack("<Qi", rights, opened), 0)
    os.close(opened)
    if failed:
        raise OSError(ctypes.get_errno(), "landlock_add_rule", str(path))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

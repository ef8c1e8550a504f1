"""A clearing up to be killed: keeps the latest version only. Run by test_history."""

from __future__ import annotations

import sys

from surco.embedstore import collect_garbage

if __name__ == "__main__":
    print("ready", flush=True)
    collect_garbage(sys.argv[1], keep=1, delete=True)

"""A push to be killed. Run by test_remote_store."""

from __future__ import annotations

import sys

from surco.embedstore import Store, push

if __name__ == "__main__":
    push(Store.open(sys.argv[1]), sys.argv[2])

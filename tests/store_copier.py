"""A push or pull to be killed. Run by test_remote_store."""

from __future__ import annotations

import sys

from surco.embedstore import Store, pull, push

if __name__ == "__main__":
    which, store, url = sys.argv[1:]
    if which == "push":
        push(Store.open(store), url)
    else:
        pull(url, store)

#!/opt/surco/bin/python
"""Ends with 0 where the server of this container answers `/health` on the port that is given."""

import sys
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen(f"http://127.0.0.1:{int(sys.argv[1])}/health", timeout=8) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except urllib.error.HTTPError as refused:
    # A server that answers only to other names lives.
    sys.exit(0 if refused.code < 500 else 1)
except OSError:
    sys.exit(1)

"""The server's verbs in Python: `from surco.api import Client`."""

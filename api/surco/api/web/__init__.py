"""What every route of the server stands on: callers and their keys, limits, headers, formats, its own description."""

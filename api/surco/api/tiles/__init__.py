"""Map tiles of a store at every zoom, computed when they are asked for: vector tiles (MVT) and pictures (PNG)."""

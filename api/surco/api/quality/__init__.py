"""How good a table is: what was seen where, seams, drift between seasons, missing months, holes."""

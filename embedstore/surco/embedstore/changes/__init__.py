"""What changed from one version, season or day of a store to another: tables, rows, vectors, models, adapters."""

from surco.embedstore.changes.bundles import BundleChange, changed_bundles
from surco.embedstore.changes.pairs import TablePair, paired_tables
from surco.embedstore.changes.rows import Matched, matched_rows
from surco.embedstore.changes.sides import Side, find_sides
from surco.embedstore.changes.tally import DISTANCES, ChangeTally, distances_of

__all__ = [
    "DISTANCES",
    "BundleChange",
    "ChangeTally",
    "Matched",
    "Side",
    "TablePair",
    "changed_bundles",
    "distances_of",
    "find_sides",
    "matched_rows",
    "paired_tables",
]

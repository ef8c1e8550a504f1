"""What changed in a store, as a report, a file of rows, and a picture."""

from surco.api.store_diff.picture import diff_picture
from surco.api.store_diff.report import DiffRequest, diff_report

__all__ = ["DiffRequest", "diff_picture", "diff_report"]

"""Field boundaries from pixel vectors: a small network or the vectors' own edges, then fields as objects."""

from surco.adapters.boundaries.boundary_adapter import BoundaryAdapter
from surco.adapters.boundaries.field_decoding import FieldHeads
from surco.adapters.boundaries.field_objects import FieldObjects
from surco.adapters.boundaries.field_polygons import FieldPolygons, field_polygons
from surco.adapters.boundaries.gradient_fallback import gradient_objects
from surco.adapters.boundaries.object_scores import ObjectScores, score_objects
from surco.adapters.boundaries.parcel_ids import Lineage, new_ids, persistent_ids
from surco.adapters.boundaries.pixel_vectors import PixelVectors
from surco.adapters.boundaries.windows import (
    OverlappingWindow,
    join_objects,
    objects_in_windows,
    overlapping_windows,
)

__all__ = [
    "BoundaryAdapter",
    "FieldHeads",
    "FieldObjects",
    "FieldPolygons",
    "Lineage",
    "ObjectScores",
    "OverlappingWindow",
    "PixelVectors",
    "field_polygons",
    "gradient_objects",
    "join_objects",
    "new_ids",
    "objects_in_windows",
    "overlapping_windows",
    "persistent_ids",
    "score_objects",
]

"""Field boundaries from pixel vectors: a small network or the vectors' own edges, then fields as objects."""

from surco.adapters.boundaries.boundary_adapter import BoundaryAdapter
from surco.adapters.boundaries.field_decoding import FieldHeads
from surco.adapters.boundaries.field_objects import FieldObjects
from surco.adapters.boundaries.gradient_fallback import gradient_objects
from surco.adapters.boundaries.object_scores import ObjectScores, score_objects
from surco.adapters.boundaries.pixel_vectors import PixelVectors

__all__ = [
    "BoundaryAdapter",
    "FieldHeads",
    "FieldObjects",
    "ObjectScores",
    "PixelVectors",
    "gradient_objects",
    "score_objects",
]

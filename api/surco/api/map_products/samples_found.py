"""Samples of places as requests bring them: a filled-in file in the body, or a label set of the server."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection

from surco.api.area_samples import FilledSample, read_sample
from surco.api.label_sets.labels import Label
from surco.api.label_sets.reading import all_labels
from surco.api.label_sets.sets import find_set
from surco.api.refusals import SampleError
from surco.api.web.callers import Caller
from surco.embedstore import LabelError, reworded

__all__ = ["sample_of_body", "sample_of_set"]

_NAME = "sample.geojson"


def sample_of_body(content: Any) -> FilledSample:
    """The sample in a body of GeoJSON, as `read_sample` reads a file.

    Raises:
        SampleError: as `read_sample`, and for labels that cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="surco-sample-") as folder:
        path = Path(folder) / _NAME
        path.write_bytes(msgspec.json.encode(content))
        try:
            return replace(read_sample(path), path=Path("the body"))
        except (SampleError, LabelError) as error:
            raise SampleError(reworded(error, str(error).replace(str(path), "the body"))) from error


def sample_of_set(connection: Connection, set_id: str, caller: Caller) -> FilledSample:
    """The labels of a set that say of which place they are, and by which chance it was drawn.

    Raises:
        UnknownError: no such set, or one that the caller may not see.
        SampleError: a label without place, class or inclusion probability; strata of some labels only.
        TooLargeError: more labels than are read.
    """
    found = find_set(connection, set_id, caller)
    labels = all_labels(connection, found)
    if not labels:
        raise SampleError(
            f"Expected labels in the label set {found.name!r}, got none. Fill the sample in first."
        )
    for label in labels:
        _require(label, found.name)
    strata = [label.said["stratum"] for label in labels]
    if any(each is None for each in strata) and any(each is not None for each in strata):
        raise SampleError(
            f"Expected the stratum of every label of {found.name!r} or of none, got some. Keep those of the plan."
        )
    places = [str(label.said["place"]) for label in labels]
    twice = len(places) - len(set(places))
    if twice:
        raise SampleError(
            f"Expected one label of each place in {found.name!r}, got {twice} more. Export the set, keep one of each, "
            "and POST it here."
        )
    return FilledSample(
        Path(found.name),
        tuple(places),
        np.array([str(label.said["class"]) for label in labels], np.str_),
        np.array([label.said["inclusion_probability"] for label in labels], np.float64),
        np.array([str(each or "") for each in strata], np.str_),
        {},
    )


def _require(label: Label, name: str) -> None:
    for field in ("place", "class", "inclusion_probability"):
        if label.said[field] is None:
            raise SampleError(
                f"Expected {field} of every label of {name!r}, got none in label {label.id!r}. Labels that were not "
                "drawn at random allow no interval: draw a sample with /areas/plan, and keep its properties."
            )

"""What /conformance claims is what tests prove, class by class."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import test_cql2_sql as filters
import test_ogc_clients as clients
import test_ogc_items as items
from litestar.testing import TestClient
from ogc_server import ogc_app

from surco.api.ogc.conformance import CONFORMS_TO
from surco.embedstore import Store

FEATURES = "http://www.opengis.net/spec/ogcapi-features-"
CQL2 = "http://www.opengis.net/spec/cql2/1.0/conf/"
CELLS = "test_a_filter_lets_the_right_cells_through"
REFUSED = "test_what_cannot_be_answered_is_refused_in_words"

PROOFS: dict[str, list[tuple[ModuleType, str]]] = {
    f"{FEATURES}1/1.0/conf/core": [
        (items, "test_the_landing_page_leads_to_everything"),
        (items, "test_every_collection_says_what_it_is"),
        (items, "test_all_pages_together_are_all_rows"),
        (items, "test_a_box_gives_what_meets_it"),
        (items, "test_a_box_may_cross_the_antimeridian_or_hold_nothing"),
        (items, "test_days_choose_the_season"),
        (items, "test_a_larger_limit_is_taken_as_the_largest"),
        (items, REFUSED),
        (clients, "test_gdal_reads_all_rows_page_by_page"),
        (clients, "test_owslib_reads_collections_and_items"),
    ],
    f"{FEATURES}1/1.0/conf/oas30": [(items, "test_the_description_is_openapi_30")],
    f"{FEATURES}1/1.0/conf/geojson": [(items, "test_answers_are_valid_geojson")],
    f"{FEATURES}2/1.0/conf/crs": [
        (items, "test_answers_and_boxes_come_in_other_systems"),
        (items, "test_longitude_comes_first_unless_another_system_is_named"),
        (clients, "test_gdal_reads_in_another_system"),
    ],
    f"{FEATURES}3/1.0/conf/queryables": [(items, "test_queryables_are_the_schema_of_features")],
    f"{FEATURES}3/1.0/conf/filter": [(items, "test_filters_in_text_and_json_agree"), (items, REFUSED)],
    f"{FEATURES}3/1.0/conf/features-filter": [
        (items, "test_filters_in_text_and_json_agree"),
        (items, "test_a_map_is_filtered_by_what_the_adapter_says"),
        (clients, "test_gdal_lets_the_server_filter"),
    ],
    f"{CQL2}cql2-text": [(filters, CELLS), (filters, "test_any_text_is_a_filter_or_refused")],
    f"{CQL2}cql2-json": [(filters, CELLS), (filters, "test_what_is_no_filter_is_refused_in_words")],
    f"{CQL2}basic-cql2": [(filters, CELLS), (filters, "test_a_filter_lets_the_right_parcels_through")],
    f"{CQL2}advanced-comparison-operators": [(filters, CELLS)],
    f"{CQL2}case-insensitive-comparison": [(filters, CELLS)],
    f"{CQL2}accent-insensitive-comparison": [(filters, CELLS)],
    f"{CQL2}basic-spatial-functions": [(filters, CELLS)],
    f"{CQL2}basic-spatial-functions-plus": [(filters, CELLS)],
    f"{CQL2}spatial-functions": [(filters, "test_each_spatial_relation_is_that_of_shapely")],
    f"{CQL2}temporal-functions": [(filters, "test_each_temporal_relation_is_that_of_the_standard")],
    f"{CQL2}property-property": [(filters, CELLS)],
    f"{CQL2}arithmetic": [(filters, CELLS)],
}


def test_every_claim_has_its_proof() -> None:
    """Each class that is claimed has tests, and nothing is proved in vain."""
    assert set(PROOFS) == set(CONFORMS_TO)


@pytest.mark.parametrize("uri", PROOFS)
def test_every_proof_is_a_test(uri: str) -> None:
    """Each proof is a test that pytest runs, with its promise in words."""
    for module, name in PROOFS[uri]:
        proof = getattr(module, name)
        assert name.startswith("test_") and proof.__doc__


def test_the_server_claims_them(tmp_path: Path) -> None:
    """/conformance lists each of them; what stands there beside them are other standards' classes."""
    Store.create(tmp_path / "store")
    with TestClient(ogc_app(tmp_path / "store")) as client:
        claimed = client.get("/conformance").json()["conformsTo"]
    assert set(CONFORMS_TO) <= set(claimed)
    assert not [each for each in set(claimed) - set(CONFORMS_TO) if each.startswith((FEATURES, CQL2))]

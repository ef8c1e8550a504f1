"""What a run over a country is to do: its tiles, where its observations come from, and what it will take."""

from surco.encoder.plan.cropland import Cropland
from surco.encoder.plan.document import ParcelFile, PlannedModel, RunPlan
from surco.encoder.plan.errors import PlanError
from surco.encoder.plan.ground import Ground
from surco.encoder.plan.plan_files import read_plan, write_plan
from surco.encoder.plan.sources import SceneSource, SimulatedSource, Source
from surco.encoder.plan.tiles import LandTile

__all__ = [
    "Cropland",
    "Ground",
    "LandTile",
    "ParcelFile",
    "PlanError",
    "PlannedModel",
    "RunPlan",
    "SceneSource",
    "SimulatedSource",
    "Source",
    "read_plan",
    "write_plan",
]

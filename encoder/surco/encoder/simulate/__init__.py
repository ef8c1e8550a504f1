"""The synthetic country: parcels, seasons and scenes with known truth, for the demo, tests and pretraining.

It teaches what can be computed: it is no evidence of accuracy on real land. `README.md` says what it cannot teach.
"""

from surco.encoder.simulate.crops import CROPS, Crop
from surco.encoder.simulate.place import Place, orchard_hectares, place_at
from surco.encoder.simulate.scenes import SimulatedArea, simulate_scenes
from surco.encoder.simulate.series import SeriesSet, simulate_series
from surco.encoder.simulate.yields import YIELDS

__all__ = [
    "CROPS",
    "YIELDS",
    "Crop",
    "Place",
    "SeriesSet",
    "SimulatedArea",
    "orchard_hectares",
    "place_at",
    "simulate_scenes",
    "simulate_series",
]

"""The synthetic country: parcels, seasons and scenes with known truth, for the demo, tests and pretraining.

It teaches what can be computed: it is no evidence of accuracy on real land. `README.md` says what it cannot teach.
"""

from surco.encoder.simulate.crops import CROPS, Crop
from surco.encoder.simulate.scenes import SimulatedArea, simulate_scenes
from surco.encoder.simulate.series import SeriesSet, simulate_series

__all__ = ["CROPS", "Crop", "SeriesSet", "SimulatedArea", "simulate_scenes", "simulate_series"]

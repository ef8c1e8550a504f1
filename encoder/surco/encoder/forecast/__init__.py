"""NDVI of the coming one to three months, and of months that nobody saw, from a season's vector and monthly NDVI."""

from surco.encoder.forecast.errors import ForecastError
from surco.encoder.forecast.figure import PICTURES, draw_forecasts
from surco.encoder.forecast.head import COVERAGE, Answers, ForecastHead
from surco.encoder.forecast.head_files import find_head, load_head, save_head
from surco.encoder.forecast.predict import Forecasts, forecast_places, forecast_samples
from surco.encoder.forecast.scores import Score, describe_scores, score_samples
from surco.encoder.forecast.store_rows import StoreRows, forecast_store, read_rows

__all__ = [
    "COVERAGE",
    "PICTURES",
    "Answers",
    "ForecastError",
    "ForecastHead",
    "Forecasts",
    "Score",
    "StoreRows",
    "describe_scores",
    "draw_forecasts",
    "find_head",
    "forecast_places",
    "forecast_samples",
    "forecast_store",
    "load_head",
    "read_rows",
    "save_head",
    "score_samples",
]

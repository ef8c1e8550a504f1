"""The encoder room: scenes and series in, vectors out. Importing it imports no torch."""

from surco.encoder.channels import CHANNELS
from surco.encoder.errors import (
    CatalogError,
    EncoderError,
    ModelError,
    SamplesError,
    SceneError,
    SimulationError,
)
from surco.encoder.models import MODELS, load_encoder
from surco.encoder.protocol import BandMeanEncoder, Encoder
from surco.encoder.report import EncodeReport
from surco.encoder.run import encode_store
from surco.encoder.samples import EmbedReport, SampleSeries, SamplesWarning, embed_samples, read_samples

__all__ = [
    "CHANNELS",
    "MODELS",
    "BandMeanEncoder",
    "CatalogError",
    "EmbedReport",
    "EncodeReport",
    "Encoder",
    "EncoderError",
    "ModelError",
    "SampleSeries",
    "SamplesError",
    "SamplesWarning",
    "SceneError",
    "SimulationError",
    "embed_samples",
    "encode_store",
    "load_encoder",
    "read_samples",
]

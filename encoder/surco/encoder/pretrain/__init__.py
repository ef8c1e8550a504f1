"""Training the encoder: corpora of series, views with most of a series hidden, objectives, the loop."""

from surco.encoder.pretrain.config import PretrainConfig
from surco.encoder.pretrain.corpora import CREDITS, read_corpora, sample_tables, simulated_corpora
from surco.encoder.pretrain.corpus import Dataset, from_samples
from surco.encoder.pretrain.curves import draw_curves
from surco.encoder.pretrain.loop import TrainResult, train

__all__ = [
    "CREDITS",
    "Dataset",
    "PretrainConfig",
    "TrainResult",
    "draw_curves",
    "from_samples",
    "read_corpora",
    "sample_tables",
    "simulated_corpora",
    "train",
]

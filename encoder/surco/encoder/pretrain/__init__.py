"""Training the encoder: corpora of series, views with most of a series hidden, objectives, the loop."""

from surco.encoder.pretrain.config import PretrainConfig
from surco.encoder.pretrain.corpus import Dataset, from_samples
from surco.encoder.pretrain.loop import TrainResult, train

__all__ = ["Dataset", "PretrainConfig", "TrainResult", "from_samples", "train"]

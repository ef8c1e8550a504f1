"""Fine-tuning the encoder on a task, and meta-training an initialisation for it. Needs torch."""

from surco.encoder.finetune.errors import FineTuneError
from surco.encoder.finetune.fine_tuned import fine_tune
from surco.encoder.finetune.inner_loop import UPDATES
from surco.encoder.finetune.meta import METHODS, MetaConfig, meta_train_encoder
from surco.encoder.finetune.task_sources import TaskSource, simulated_sources, table_source

__all__ = [
    "METHODS",
    "UPDATES",
    "FineTuneError",
    "MetaConfig",
    "TaskSource",
    "fine_tune",
    "meta_train_encoder",
    "simulated_sources",
    "table_source",
]

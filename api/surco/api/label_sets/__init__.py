"""Label sets: labels of many people as one resource, with their history, agreement and consensus."""

from surco.api.label_sets.reading import campaign_of, labels_of

__all__ = ["campaign_of", "labels_of"]

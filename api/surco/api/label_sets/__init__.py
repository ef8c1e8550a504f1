"""Label sets: labels of many people as one resource, with their history, agreement and consensus."""

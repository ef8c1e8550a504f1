"""STAC API over the store's own catalogue, and the store's files to download or to read in part."""

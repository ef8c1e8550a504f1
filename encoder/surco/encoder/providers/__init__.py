"""Where scenes come from: public archives by name, and what it takes to read their rasters (docs/reading.md)."""

from surco.encoder.providers.access import Access
from surco.encoder.providers.buckets import BUCKETS, Bucket, Buckets
from surco.encoder.providers.catalogues import PROVIDERS, Provider, find_provider
from surco.encoder.providers.sas import SasTokens

__all__ = ["BUCKETS", "PROVIDERS", "Access", "Bucket", "Buckets", "Provider", "SasTokens", "find_provider"]

"""OGC API Features over a store: collections, their queryables and items, and filters in CQL2."""

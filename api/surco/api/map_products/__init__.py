"""Maps of a store's adapters over HTTP: lists, exports, areas, comparisons, and parcels made on demand."""

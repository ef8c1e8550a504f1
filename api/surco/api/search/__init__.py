"""Similar places, and the vectors themselves: POST /search and GET /embeddings."""

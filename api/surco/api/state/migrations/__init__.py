"""Alembic's folder of migrations; `surco.api.state.migrating` runs them."""

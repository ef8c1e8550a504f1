"""Run by the Python in which vecorel-cli is installed: its validator with schemas from files, errors as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    from vecorel_cli.encoding.geoparquet import GeoParquet
    from vecorel_cli.validation.geoparquet import GeoParquetValidator

    class Offline(GeoParquetValidator):
        """Leaves the `geo` key out: its JSON schema is on the web."""

        def validate_geoparquet_schema(self, pq: GeoParquet) -> bool:
            """Nothing."""
            return True

    validator = Offline(GeoParquet(Path(sys.argv[1])))
    validator.validate(num=None, schema_map=json.loads(sys.argv[2]))
    print(json.dumps([str(error) for error in validator.errors]))

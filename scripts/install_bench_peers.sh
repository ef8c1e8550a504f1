#!/bin/sh
# Installs what tests/benchmarks/bench_peers_http.py compares the server with, each in an environment of its own:
#     scripts/install_bench_peers.sh [FOLDER]      (default /var/tmp/surco-peers; SURCO_BENCH_PEERS_DIR names it later)
# PostGIS comes from Debian (as root): apt-get install postgresql-15-postgis-3
set -eu
folder=${1:-${SURCO_BENCH_PEERS_DIR:-/var/tmp/surco-peers}}
python=${PYTHON:-python3}
mkdir -p "$folder"
"$python" -m venv "$folder/tipg"
"$folder/tipg/bin/python" -m pip install --quiet 'tipg==1.6.*' 'uvicorn[standard]'
"$python" -m venv "$folder/pygeoapi"
# Its Parquet provider needs pyarrow, geopandas and s3fs, its tiles from PostGIS geoalchemy2 and psycopg2.
"$folder/pygeoapi/bin/python" -m pip install --quiet 'pygeoapi==0.21.*' gunicorn pyarrow geopandas s3fs geoalchemy2 psycopg2-binary
ls /usr/lib/postgresql/*/lib/postgis-3.so >/dev/null 2>&1 || echo "PostGIS is not there: apt-get install postgresql-15-postgis-3"

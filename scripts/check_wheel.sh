#!/usr/bin/env bash
# Build the sdist, a wheel from it, install that wheel in a clean environment, and use it: what a user of the package gets.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -C "$root" --no-print-directory .venv/.installed
"$root/.venv/bin/python" -m build --outdir "$work/dist" "$root" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/dist/*.whl
cd "$work"   # away from the checkout, so that nothing is imported from it
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
venv/bin/surco --version
venv/bin/surco demo --no-serve --dir "$work/demo"
venv/bin/surco sql "$work/demo/store" "SELECT count(*) AS parcels FROM parcels" --format csv
echo "The wheel works."

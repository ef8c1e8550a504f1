#!/bin/sh
# Runs `surco` with its arguments. A secret may be given as a file: NAME_FILE=/run/secrets/x sets NAME to what is in it.
set -eu
for name in SURCO_DATABASE_URL PGPASSWORD AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN SURCO_API_KEY; do
  eval "file=\${${name}_FILE:-}"
  if [ -n "$file" ]; then
    if [ ! -r "$file" ]; then
      echo "Expected a file that can be read in ${name}_FILE, got $file. Mount it, or correct the name." >&2
      exit 2
    fi
    content=$(cat "$file")
    export "$name=$content"
    unset "${name}_FILE"
  fi
done
# A variable that compose passes on empty is one that nobody set.
for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_ENDPOINT_URL; do
  eval "value=\${$name:-}"
  if [ -z "$value" ]; then unset "$name"; fi
done
exec surco "$@"

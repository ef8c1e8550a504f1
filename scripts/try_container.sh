#!/usr/bin/env bash
# Build the Containerfile without an engine and without a registry, and use what it made: as its user, on a root that
# cannot be written. Needs root, and Debian's `buildah` and `debootstrap` (not part of CI: minutes, and some GB of disk).
#
#   scripts/try_container.sh FOLDER [--secret id=pip.conf,src=FILE] [-v /host:/path:ro]...    options go to `buildah build`
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mkdir -p "$1" && cd "$1" && pwd)
shift
export BUILDAH_ISOLATION=chroot
buildah=(buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs)

if ! "${buildah[@]}" inspect --type image localhost/base >/dev/null 2>&1; then
  # In the place of docker.io/library/python: Debian's own Python of the same version.
  [ -d "$work/base" ] || debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates,passwd bookworm "$work/base"
  ln -sf python3 "$work/base/usr/bin/python"
  base=$("${buildah[@]}" from scratch)
  "${buildah[@]}" copy -q "$base" "$work/base" /
  "${buildah[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$base"
  "${buildah[@]}" commit -q "$base" localhost/base
  "${buildah[@]}" rm "$base"
fi
"${buildah[@]}" bud --isolation chroot --format docker --network host --build-arg BASE=localhost/base "$@" \
  -f "$root/Containerfile" -t localhost/surco "$root"
"${buildah[@]}" inspect --type image --format '{{.Docker.Config.User}} {{.Docker.Config.Healthcheck}}' localhost/surco

container=$("${buildah[@]}" from localhost/surco)
mounted=$("${buildah[@]}" mount "$container")
cat >"$work/inside.sh" <<'INSIDE'
set -eu
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"
mount -t tmpfs tmpfs "$1/tmp" && mount -t tmpfs -o uid=10001,gid=10001,mode=0750 tmpfs "$1/data"
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev"
inside() {
  chroot --userspec=10001:10001 "$1" /usr/bin/env -i PATH=/opt/surco/bin:/usr/local/bin:/usr/bin:/bin HOME=/data \
    SURCO_CACHE=/data/cache XDG_DATA_HOME=/data/state MPLCONFIGDIR=/tmp/matplotlib OMP_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 sh -c "cd /data && $2"
}
inside "$1" 'id && ! touch /opt/written 2>/dev/null && echo "the root cannot be written"'
inside "$1" 'entrypoint.sh --version && entrypoint.sh demo --no-serve --dir /data/demo'
inside "$1" 'entrypoint.sh keys add /data/demo/store --name Ana >/dev/null'
inside "$1" 'entrypoint.sh serve /data/demo/store --host 0.0.0.0 --port 18765 & pid=$!; for n in $(seq 60); do
  if healthy.py 18765; then echo "healthy after $n s"; break; fi; sleep 1; done
  healthy.py 18765; kill $pid; wait $pid || true; ! healthy.py 18765 && echo "and not when it has ended"'
INSIDE
unshare --mount --pid --fork bash "$work/inside.sh" "$mounted"
"${buildah[@]}" rm "$container" >/dev/null
echo "The container works."

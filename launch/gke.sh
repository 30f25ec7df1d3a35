#!/usr/bin/env bash
# Runs one `pinch` command on TPU slices of a GKE cluster, as the JobSet of launch/gke.yaml.
set -euo pipefail

usage() {
  cat <<'TEXT'
launch/gke.sh COMMAND --workdir=gs://BUCKET/PATH [--flag=value ...]

  Fills in launch/gke.yaml and applies it with kubectl. docs/launch_gke.md has all around it.

  NAME=pinch IMAGE=us-east5-docker.pkg.dev/PROJECT/pinch/pinch:COMMIT \
  ACCELERATOR=tpu-v5-lite-podslice TOPOLOGY=4x4 HOSTS=4 \
      launch/gke.sh study --config=ml_collections_configs/tiny.py --workdir=gs://bucket/tiny

Environment:
  NAME         of the JobSet
  IMAGE        of launch/Dockerfile
  ACCELERATOR  tpu-v5-lite-podslice (v5e), tpu-v5p-slice, tpu-v6e-slice
  TOPOLOGY     of a slice, such as 4x4
  HOSTS        of a slice: its chips by those of a host
  CHIPS        of a host                                         (4)
  SLICES       how many slices                                   (1)
  KUBECTL      `cat` shows the manifest and applies nothing      (kubectl apply --filename=-)
TEXT
}

die() { echo "launch/gke.sh: $*" >&2; exit 2; }

case "${1:---help}" in -h | --help) usage; exit 0 ;; esac
for variable in NAME IMAGE ACCELERATOR TOPOLOGY HOSTS; do
  [[ -n ${!variable:-} ]] || die "set $variable; see --help"
done
[[ " $*" == *" --workdir=gs://"* ]] || die "give --workdir=gs://BUCKET/PATH: all hosts write there"
# Slices come one after the other, and an image is pulled.
[[ " $*" == *" --start_timeout="* ]] || set -- "$@" --start_timeout=1800
export CHIPS=${CHIPS:-4} SLICES=${SLICES:-1}
python3 - "$(dirname "$0")/gke.yaml" "$@" --coordinator=auto <<'CODE' | ${KUBECTL:-kubectl apply --filename=-}
import json, os, pathlib, string, sys
text = pathlib.Path(sys.argv[1]).read_text()
print(string.Template(text).substitute(os.environ, ARGUMENTS=json.dumps(sys.argv[2:])))
CODE

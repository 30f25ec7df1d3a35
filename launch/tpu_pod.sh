#!/usr/bin/env bash
# Runs one `pinch` command on every worker of a TPU slice, which it asks for if it is not there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

usage() {
  cat <<'TEXT'
launch/tpu_pod.sh COMMAND --workdir=gs://BUCKET/PATH [--flag=value ...]

  Asks for a TPU slice as a queued resource and waits for it, installs the commit that is checked
  out on every worker, starts `pinch COMMAND ... --coordinator=auto` on all of them and shows what
  they print. A slice that is taken away is asked for anew, and a command that ends with 75, as one
  does that was told to stop, is started again. Workers go on when the connection is lost: the same
  call takes up where it is, be it the queue or workers that are running. The slice stays, and costs,
  until you delete it.

  NAME=pinch ZONE=us-east5-a ACCELERATOR_TYPE=v5p-16 RUNTIME_VERSION=v2-alpha-tpuv5 \
      launch/tpu_pod.sh study --config=ml_collections_configs/tiny.py --workdir=gs://bucket/tiny

Environment:
  NAME              of the slice and of its request
  ZONE              such as us-east5-a
  ACCELERATOR_TYPE  such as v5litepod-16, v5p-16, v6e-16
  RUNTIME_VERSION   software of the workers: v2-alpha-tpuv5-lite for v5litepod,
                    v2-alpha-tpuv5 for v5p, v2-alpha-tpuv6e for v6e
  PROJECT           of Google Cloud            (that of the gcloud configuration)
  SPOT              1: a Spot slice            (on demand)
  POLL_SECONDS      between looks at the queue (30)

The workers write into the bucket themselves; the slice's service account must be allowed to
(roles/storage.objectUser). It should be where the slice is:
  gcloud storage buckets create gs://BUCKET --location=... --uniform-bucket-level-access
TEXT
}

say() { echo "launch/tpu_pod.sh: $*" >&2; }
die() { say "$*"; exit 2; }
tpus() { gcloud compute tpus "$@" --zone="$ZONE" ${PROJECT:+--project="$PROJECT"}; }
on_all() { tpus tpu-vm ssh "$NAME" --worker=all --command="$1"; }

request_state() {
  tpus queued-resources list --filter="name~/queuedResources/$NAME\$" --format='value(state.state)'
}

# Returns when the slice is there. What failed before is asked for anew; what fails now is an error.
await_slice() {
  local state asked=
  while :; do
    state=$(request_state)
    case $state in
      ACTIVE) return ;;
      '')
        say "asking for $ACCELERATOR_TYPE in $ZONE as $NAME"
        tpus queued-resources create "$NAME" --node-id="$NAME" \
          --accelerator-type="$ACCELERATOR_TYPE" \
          --runtime-version="$RUNTIME_VERSION" ${SPOT:+--spot}
        asked=1
        ;;
      FAILED | SUSPENDED)
        if [[ $state$asked == FAILED1 ]]; then
          tpus queued-resources describe "$NAME" --format='yaml(state)' >&2
          die "the request $NAME failed, as above; call again to ask anew"
        fi
        say "$NAME is $state: deleting it to ask anew"
        tpus queued-resources delete "$NAME" --force --quiet
        ;;
      *)
        say "$NAME is $state"
        sleep "${POLL_SECONDS:-30}"
        ;;
    esac
  done
}

# Puts the tree of the commit on every worker.
ship() {
  local directory
  directory=$(mktemp -d)
  git archive --format=tar.gz --output="$directory/tree.tar.gz" "$commit"
  tpus tpu-vm scp "$directory/tree.tar.gz" "$NAME:pinch-$commit.tar.gz" --worker=all
  rm -r "$directory"
  on_all "[ -d pinch/$commit ] || { rm -rf pinch/part; mkdir -p pinch/part; \
    tar -xzf pinch-$commit.tar.gz -C pinch/part && mv pinch/part pinch/$commit; }"
}

case "${1:---help}" in -h | --help) usage; exit 0 ;; esac
for variable in NAME ZONE ACCELERATOR_TYPE RUNTIME_VERSION; do
  [[ -n ${!variable:-} ]] || die "set $variable; see --help"
done
[[ " $*" == *" --workdir=gs://"* ]] || die "give --workdir=gs://BUCKET/PATH: all workers write there"
cd "$here/.."
git diff --quiet HEAD || die "commit your changes first: the workers get the commit"
commit=$(git rev-parse HEAD)
worker="pinch/$commit/launch/tpu_worker.sh"

# Runs the command on all workers, or joins it where it is running; returns its exit code.
run() {
  local jobs ours action
  jobs=$(on_all "$worker status" | sort -u)
  ours="running $commit $*"
  action="run$(printf ' %q' "$@")"
  case $jobs in
    idle) ;;
    "$ours")
      say "it is running; this is its output"
      # A job that ends before the workers are reached is not started again.
      action=follow
      ;;
    "idle"$'\n'"$ours")
      say "it is running on some workers only: starting anew on all"
      on_all "$worker stop"
      ;;
    *)
      say "$NAME is busy:"$'\n'"$jobs"
      die "wait, take another NAME, or end that: on all workers, '$worker stop'"
      ;;
  esac
  on_all "$worker $action"
}

while :; do
  await_slice
  set +e
  (set -e; ship; run "$@")
  code=$?
  set -e
  # What ssh says of a connection that is gone; the request hears of its slice a little later.
  ((code != 255)) || sleep "${POLL_SECONDS:-30}"
  if ((code == 75)); then
    say "it was told to stop: going on"
  elif ((code)) && [[ $(request_state) == SUSPEND* ]]; then
    say "$NAME was taken away: asking for another"
  else
    exit "$code"
  fi
done

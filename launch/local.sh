#!/usr/bin/env bash
# Runs one `pinch` command in N processes on this machine, joined by jax.distributed.
set -euo pipefail

usage() {
  cat <<'TEXT'
launch/local.sh N COMMAND [--flag=value ...]

  Runs `pinch COMMAND ...` in N processes on the CPU of this machine. Each line of output begins
  with the number of its process. When one process fails all are ended, and its exit code is the
  script's: 75 means that it was stopped, and that the same call goes on. Ctrl-C is passed on to all,
  which save where they are; a second one kills them.

  launch/local.sh 2 study --config=ml_collections_configs/tiny.py --workdir=/tmp/pinch

Environment:
  PINCH                the command to run                        (pinch)
  JAX_NUM_CPU_DEVICES  virtual devices of each process           (1)
  TQDM_MININTERVAL     seconds between lines of a progress bar   (5)
TEXT
}

case "${1:---help}" in
  -h | --help) usage; exit 0 ;;
  *[!0-9]* | 0*) echo "launch/local.sh: N=$1 must be a number above 0; see --help" >&2; exit 2 ;;
esac
if (($# < 2)); then
  echo "launch/local.sh: no COMMAND; see --help" >&2
  exit 2
fi
count=$1
shift

export JAX_PLATFORMS=cpu JAX_CPU_COLLECTIVES_IMPLEMENTATION=gloo
export PYTHONUNBUFFERED=1 TQDM_MININTERVAL="${TQDM_MININTERVAL:-5}"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')

# Progress bars end their lines with a carriage return.
prefix() {
  exec perl -e '$| = 1; my $text = "";
    while (sysread STDIN, $text, 65536, length $text) {
      while ($text =~ s/^([^\r\n]*)[\r\n]+//) { print "[$ARGV[0]] $1\n" if length $1 } }
    print "[$ARGV[0]] $text\n" if length $text' "$1"
}

pipes=$(mktemp -d)
trap 'rm -rf "$pipes"' EXIT
# Job control: each process in a group of its own, so that Ctrl-C comes to this script alone.
set -m
running=()
printing=()
for ((i = 0; i < count; i++)); do
  mkfifo "$pipes/$i"
  prefix "$i" <"$pipes/$i" &
  printing+=($!)
  "${PINCH:-pinch}" "$@" --coordinator="localhost:$port" --processes="$count" --process="$i" \
    </dev/null >"$pipes/$i" 2>&1 &
  running+=($!)
done
exec 3>&2 2>/dev/null # without what bash says of jobs that were ended

stops=0
# shellcheck disable=SC2329 # the traps call it
stop() {
  local signal=$1
  stops=$((stops + 1))
  ((stops == 1)) || signal=KILL
  kill "-$signal" "${running[@]}" || true
}
trap 'stop INT' INT
trap 'stop TERM' TERM

status=0
patience=-1
while ((${#running[@]})); do
  for i in "${!running[@]}"; do
    kill -0 "${running[i]}" && continue
    code=0
    wait "${running[i]}" || code=$?
    unset "running[i]"
    if ((code && !status)); then
      status=$code
      # Told to stop, each ends by itself; else those that are left would wait in vain.
      if ((!stops && ${#running[@]})); then
        echo "launch/local.sh: process $i ended with exit code $code; ending all" >&3
        kill "${running[@]}" || true
        patience=25
      fi
    fi
  done
  if ((patience-- == 0)); then kill -KILL "${running[@]}" || true; fi
  sleep 0.2 &
  wait $! || true
done
wait "${printing[@]}" || true
exit "$status"

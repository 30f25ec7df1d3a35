#!/usr/bin/env bash
# Runs one `pinch` command in N processes on this machine, joined by jax.distributed.
set -euo pipefail

usage() {
  cat <<'TEXT'
launch/local.sh N COMMAND [--flag=value ...]

  Runs `pinch COMMAND ...` in N processes on the CPU of this machine. Each line of output begins
  with the number of its process. When one process fails all are ended, and its exit code is the
  script's. Ctrl-C is passed on to all, which save where they are; a second one kills them.

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

# Reads to the end whatever signal comes; progress bars end their lines with a carriage return.
prefix() {
  perl -e '$SIG{INT} = $SIG{TERM} = "IGNORE"; $| = 1; my $text = "";
    while (sysread STDIN, $text, 65536, length $text) {
      while ($text =~ s/^([^\r\n]*)[\r\n]+//) { print "[$ARGV[0]] $1\n" if length $1 } }
    print "[$ARGV[0]] $text\n" if length $text' "$1"
}

# Job control: each process in a group of its own, so that Ctrl-C comes to this script alone.
set -m
jobs=()
for ((i = 0; i < count; i++)); do
  "${PINCH:-pinch}" "$@" --coordinator="localhost:$port" --processes="$count" --process="$i" \
    </dev/null 2>&1 | prefix "$i" &
  jobs+=($!)
done

signal_all() {
  for ((i = 1; i <= count; i++)); do kill "-$1" "%$i" 2>/dev/null || true; done
}
stops=0
stop() {
  stops=$((stops + 1))
  if ((stops > 1)); then signal_all KILL; else signal_all "$1"; fi
}
trap 'stop INT' INT
trap 'stop TERM' TERM

status=0
patience=-1
while ((${#jobs[@]})); do
  for i in "${!jobs[@]}"; do
    kill -0 "${jobs[i]}" 2>/dev/null && continue
    code=0
    wait "${jobs[i]}" 2>/dev/null || code=$?
    unset "jobs[i]"
    if ((code && !status)); then
      status=$code
      # Told to stop, each ends by itself; else those that are left would wait in vain.
      if ((!stops)); then
        echo "launch/local.sh: process $i ended with exit code $code; ending all" >&2
        signal_all TERM
        patience=25
      fi
    fi
  done
  ((patience-- == 0)) && signal_all KILL
  sleep 0.2 &
  wait $! || true
done
exit "$status"

#!/usr/bin/env bash
# The part of tpu_pod.sh that runs on each worker: a job that outlives the connection.
#   status        prints `idle`, or `running` with commit and command
#   stop          ends the job
#   follow        shows the output of the job, returns its exit code
#   run COMMAND   starts the job unless it is running, and follows it
set -euo pipefail
cd "$(dirname "$0")/.."
commit=$(basename "$PWD")
job=$HOME/pinch/job
mkdir -p "$job"

# The job and all its children hold the lock; a number in a file would outlive a reboot.
running() { ! flock --nonblock "$job/lock" true; }

install() {
  [[ -e .venv/installed ]] && return
  export PATH="$HOME/.local/bin:$PATH"
  command -v uv >/dev/null || curl -LsSf https://astral.sh/uv/install.sh | sh
  # The Python of the image may be too old.
  uv venv --quiet --clear --python 3.12 .venv
  uv pip install --quiet --python .venv/bin/python '.[buckets]' 'jax[tpu]'
  touch .venv/installed
}

start() {
  install
  rm -f "$job/code"
  : >"$job/log"
  echo "$commit $*" >"$job/command"
  export PYTHONUNBUFFERED=1 TQDM_MININTERVAL="${TQDM_MININTERVAL:-30}" JOB=$job
  # shellcheck disable=SC2016 # that shell expands it
  setsid flock "$job/lock" bash -c '"$@"; echo $? >"$JOB/code"' job \
    .venv/bin/pinch "$@" --coordinator=auto >>"$job/log" 2>&1 </dev/null &
  echo $! >"$job/pid"
}

stop() {
  local pid
  running || return 0
  pid=$(cat "$job/pid")
  kill -TERM -- "-$pid"
  for _ in {1..50}; do
    running || return 0
    sleep 0.2
  done
  kill -KILL -- "-$pid"
}

# Shows the output of the job from its start, each line with the number of the worker.
follow() {
  local name
  name=$(hostname)
  tail -n +1 -f --pid="$(cat "$job/pid")" "$job/log" | stdbuf -oL tr '\r' '\n' |
    sed -u "/^\$/d; s/^/[${name##*-}] /"
  return "$(cat "$job/code" 2>/dev/null || echo 1)"
}

case ${1:-} in
  status) if running; then echo "running $(cat "$job/command")"; else echo idle; fi ;;
  stop) stop ;;
  follow) follow ;;
  run)
    shift
    running || start "$@"
    follow
    ;;
  *) sed -n '2,6s/^# *//p' "$0" >&2; exit 2 ;;
esac

#!/usr/bin/env bash
# A Slurm of this machine alone, and launch/slurm.sh on it: one task, two tasks, a job that is told
# to stop and goes on by itself. Needs root, and Debian's slurm-wlm and munge:
#   apt-get install slurm-wlm munge && tests/slurm.sh
# `tests/slurm.sh limit` has a job run into its time limit too, as often as it takes to its end, and
# one that does not hear that it will.
set -euo pipefail
cd "$(dirname "$0")/.."
for program in slurmctld slurmd munged sbatch; do
  command -v "$program" >/dev/null || { echo "tests/slurm.sh: no $program here" >&2; exit 77; }
done
work=$(mktemp -d)
host=$(hostname -s)
export SLURM_CONF=$work/slurm.conf
export PINCH=${PINCH:-$PWD/.venv/bin/pinch} JAX_PLATFORMS=cpu PYTHONPATH=$PWD
export JAX_CPU_COLLECTIVES_IMPLEMENTATION=gloo TQDM_MININTERVAL=5

# Daemons write until they are gone; a folder is taken away after them.
finish() {
  local code=$? pid
  for pid in $(cat "$work"/{slurmctld,slurmd,munged}.pid 2>/dev/null); do
    kill "$pid" 2>/dev/null || continue
    for _ in {1..100}; do kill -0 "$pid" 2>/dev/null && sleep 0.1 || break; done
  done
  if ((code)); then tail -n 40 "$work"/*.log "$work"/*.out >&2 || true; fi
  rm -rf "$work" || echo "tests/slurm.sh: $work is left" >&2
  exit "$code"
}
trap finish EXIT

cat >"$SLURM_CONF" <<TEXT
ClusterName=pinch
SlurmctldHost=$host
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
CredType=cred/munge
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
JobRequeue=1
SchedulerParameters=requeue_delay=1
NodeName=$host CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
TEXT
mkdir "$work/state" "$work/spool"
dd if=/dev/urandom of="$work/munge.key" bs=1024 count=1 status=none
chmod 400 "$work/munge.key"
chmod 755 "$work"
munged --force --key-file="$work/munge.key" --socket="$work/munge.socket" \
  --pid-file="$work/munged.pid" --log-file="$work/munged.log" --seed-file="$work/munge.seed"
slurmctld
slurmd
for _ in {1..60}; do [[ $(sinfo -h -o %t) == idle ]] && break || sleep 1; done
sinfo

python=${PINCH%/*}/python
"$python" - "$work" <<'CODE'
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from bad_inputs.files import write_study
write_study(Path(sys.argv[1]))
CODE

# Waits until a job is in the state that is asked for.
await_state() {
  local job=$1 state=
  for _ in {1..1800}; do
    state=$(squeue -h -j "$job" -o %T 2>/dev/null || true)
    [[ ${state:-ENDED} == "$2" ]] && return
    [[ $state ]] || break
    sleep 0.5
  done
  echo "tests/slurm.sh: job $job is ${state:-gone}, not $2" >&2
  return 1
}

run() {
  local tasks=$1 name=$2 command=$3
  shift 3
  sbatch --parsable --ntasks="$tasks" --overcommit --output="$work/$name.out" \
    launch/slurm.sh "$command" --config="$work/config.py" --workdir="$work/$name" "$@"
}

job=$(run 2 stopped train --config.train.epochs=400)
one=$(run 1 tasks1 train)
two=$(run 2 tasks2 study)
until ls "$work"/stopped/runs/*/checkpoints/[0-9]* >/dev/null 2>&1; do sleep 0.2; done
scancel --signal=TERM "$job"
await_state "$job" PENDING
echo "told to stop: $(grep -m1 'run again to go on' "$work/stopped.out")"
if grep Traceback "$work/stopped.out"; then exit 1; fi
# Slurm waits two minutes; less than a second after the stop, slurmd still refuses the job.
sleep 2
scontrol update JobId="$job" StartTime=now
await_state "$job" RUNNING
echo "queued again by itself, and running"
scancel "$job"
for each in "$job" "$one" "$two"; do await_state "$each" ENDED; done
grep -q "run: $work/tasks1/runs/" "$work/tasks1.out"
grep -q "report: $work/tasks2" "$work/tasks2.out"
grep -q '^1: ' "$work/tasks2.out"
for tasks in 1 2; do echo "$tasks tasks: $(grep -c '' "$work/tasks$tasks.out") lines, and an end"; done
[[ ${1:-} == limit ]] || exit 0

job=$(SBATCH_TIMELIMIT=1 SBATCH_SIGNAL=CONT@1 run 2 deaf train --config.train.epochs=4000)
await_state "$job" RUNNING
await_state "$job" PENDING
echo "heard nothing of its limit, and was queued again"
sleep 2
scontrol update JobId="$job" StartTime=now
await_state "$job" RUNNING
await_state "$job" ENDED
grep 'not heard twice in a row' "$work/deaf.out"

# Slurm counts in minutes, and sends a signal up to a minute early.
export SBATCH_TIMELIMIT=3 SBATCH_SIGNAL=TERM@60
job=$(run 2 limited study --config.train.epochs="${EPOCHS:-200}" --config.train.checkpoint_period_steps=1000)
stops=0
while await_state "$job" RUNNING; do
  while [[ $(squeue -h -j "$job" -o %T 2>/dev/null) =~ RUNNING|COMPLETING ]]; do sleep 1; done
  [[ $(squeue -h -j "$job" -o %T 2>/dev/null) ]] || break
  stops=$((stops + 1))
  sleep 2
  scontrol update JobId="$job" StartTime=now
done
grep 'run again to go on' "$work/limited.out"
grep -q "report: $work/limited" "$work/limited.out"
((stops))
echo "stopped $stops times by the time limit, and a report: $(grep 'goodput' "$work/limited.out")"

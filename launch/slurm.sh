#!/usr/bin/env bash
# Runs one `pinch` command on every task of a Slurm job; one task a GPU, or one a node without:
#   sbatch --nodes=4 --ntasks-per-node=8 --gpus-per-node=8 launch/slurm.sh \
#       study --config=... --workdir=/a/directory/that/all/nodes/see
# Two minutes before the time is up, and when it is preempted, every task saves where it is and ends
# with code 75; the job is queued again then, and goes on from there, until it is done. Tasks that
# have not ended by half a minute before are queued again all the same.
#SBATCH --job-name=pinch
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

# A task that compiles cannot answer a signal, and at its time limit Slurm ends a job for good. So
# half a minute before, the job is queued again as it stands, and loses what a kill loses. Not
# twice in a row: what takes longer than the limit would begin for ever. The job's comment knows.
unheard="pinch: did not hear of its time limit"
before=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%k)
queue_again_in_time() {
  local end left
  # Asked again after the sleep, because a limit can be moved. Without one there is no such time.
  while end=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%e) && [[ $end == *T* ]]; do
    left=$(($(date -d "$end" +%s) - 30 - $(date +%s)))
    if ((left > 0)); then
      sleep "$left"
    elif [[ $before == "$unheard" ]]; then
      echo "its time limit was not heard twice in a row: give the job more time (--time)" >&2
      return
    else
      scontrol update JobId="$SLURM_JOB_ID" Comment="$unheard"
      exec scontrol requeue "$SLURM_JOB_ID"
    fi
  done
}
queue_again_in_time &

code=0
srun --kill-on-bad-exit=1 --label "${PINCH:-pinch}" "$@" --coordinator=auto || code=$?
if ((code == 75)); then
  [[ $before != "$unheard" ]] || scontrol update JobId="$SLURM_JOB_ID" Comment=
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"

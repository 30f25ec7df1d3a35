#!/usr/bin/env bash
# Runs one `pinch` command on every task of a Slurm job; one task a GPU, or one a node without:
#   sbatch --nodes=4 --ntasks-per-node=8 --gpus-per-node=8 launch/slurm.sh \
#       study --config=... --workdir=/a/directory/that/all/nodes/see
# Two minutes before the time is up, and when it is preempted, every task saves where it is and ends
# with code 75; the job is queued again then, and goes on from there, until it is done.
#SBATCH --job-name=pinch
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
code=0
srun --kill-on-bad-exit=1 --label "${PINCH:-pinch}" "$@" --coordinator=auto || code=$?
if ((code == 75)); then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"

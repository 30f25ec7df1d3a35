#!/usr/bin/env bash
# Runs one `pinch` command on every task of a Slurm job; one task a GPU, or one a node without:
#   sbatch --nodes=4 --ntasks-per-node=8 --gpus-per-node=8 launch/slurm.sh \
#       study --config=... --workdir=/a/directory/that/all/nodes/see
# Two minutes before the time is up every task saves where it is; the same line goes on from there.
#SBATCH --job-name=pinch
#SBATCH --signal=TERM@120
set -euo pipefail
exec srun --kill-on-bad-exit=1 --label "${PINCH:-pinch}" "$@" --coordinator=auto

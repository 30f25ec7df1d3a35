"""TRL's trainer as a side of gemma.py: a step of it whenever it is told."""

import tempfile

import datasets
import torch
from gemma_inputs import BETA1, BETA2, CLIP_NORM, EPSILON, LEARNING_RATE, WEIGHT_DECAY, Case
from sides import Turns
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

CHECKED_STEPS, MANY_STEPS = 2, 1000


class StepsOnDemand(TrainerCallback):
    """Holds the trainer before each step until its turn has come."""

    def __init__(self, turns: Turns):
        self._turns, self._losses = turns, []

    def on_step_begin(self, args, state, control, **_):
        """Waits for a turn."""
        if len(self._losses) >= CHECKED_STEPS:
            self._turns.begin()

    def on_step_end(self, args, state, control, **_):
        """Ends the turn."""
        if len(self._losses) >= CHECKED_STEPS:
            self._turns.end()

    def on_log(self, args, state, control, logs=None, **_):
        """Answers: what the loss was is known only now."""
        if "loss" not in logs:
            return
        self._losses.append(float(logs["loss"]))
        if len(self._losses) == CHECKED_STEPS:
            self._turns.ready({"trimmed": None, "whole": self._losses})
        elif len(self._losses) > CHECKED_STEPS:
            self._turns.tell()


def train_by_trl(case: Case, turns: Turns) -> None:
    """Trains on the same rows over and over, a step a turn."""
    ids = case.ids().tolist()
    mask = [0] * (case.width - case.supervised) + [1] * case.supervised
    rows = {"input_ids": ids, "completion_mask": [mask] * case.rows}
    with tempfile.TemporaryDirectory() as directory:
        config = SFTConfig(
            output_dir=directory,
            per_device_train_batch_size=case.rows,
            max_steps=MANY_STEPS,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            optim="adamw_torch_fused",
            adam_beta1=BETA1,
            adam_beta2=BETA2,
            adam_epsilon=EPSILON,
            weight_decay=WEIGHT_DECAY,
            max_grad_norm=CLIP_NORM,
            completion_only_loss=True,
            max_length=None,
            # Its defaults save memory for time, and are for another precision.
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(case.weights, dtype=torch.float32),
            args=config,
            train_dataset=datasets.Dataset.from_dict(rows),
            processing_class=AutoTokenizer.from_pretrained(case.weights),
            callbacks=[StepsOnDemand(turns)],
        )
        trainer.train()

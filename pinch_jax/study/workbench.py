"""What all runs of one process share: their inputs, the model's parameters, two programs."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from pinch_jax.devices.host_memory import HostCopy
from pinch_jax.devices.mesh import decoding_mesh, jit_on
from pinch_jax.devices.sharding import Shard
from pinch_jax.evaluate.answers import Answers
from pinch_jax.evaluate.evaluators import HeldoutLoss
from pinch_jax.model.decoder import Params, abstract_params
from pinch_jax.study.inputs import Inputs
from pinch_jax.train.checkpoint import state_shardings
from pinch_jax.train.lora import init_adapters
from pinch_jax.train.step import NOTHING, TrainState, init_state, make_train_step


class Workbench(Inputs):
    """The inputs of a config's runs and what works on them, each made when it is asked for."""

    # The steps of which the first run that trains writes a profiler trace.
    profile: range | None = None

    @property
    def pretrained(self) -> Params:
        """The untuned parameters on the mesh.

        They are in float32 where runs start from them, and then on the devices for as long as the
        caller holds them; where all runs read them as they are, in the precision of the arithmetic.
        """
        return self.frozen if self.config.lora.rank else self._waiting.on_devices()

    @functools.cached_property
    def _waiting(self) -> HostCopy:
        return HostCopy(self.model.load_on(self.mesh))

    def release(self) -> None:
        """Lets go of the untuned parameters; whoever needs them again has them loaded again."""
        for name in ("frozen", "_waiting"):
            self.__dict__.pop(name, None)

    @functools.cached_property
    def frozen(self) -> Params:
        """The parameters that runs do not train, which all of them read."""
        c = self.config
        return self.model.load_on(self.mesh, c.model.dtype) if c.lora.rank else NOTHING

    def abstract_state(self) -> TrainState:
        """Returns the shapes of a train state."""
        return jax.eval_shape(self._init_state, abstract_params(self.decoder))

    def initial_state(self) -> TrainState:
        """Returns a state that starts from the pretrained model: a copy of it, or new adapters."""
        return self._start(self.pretrained)

    def _init_state(self, params: Params) -> TrainState:
        c = self.config
        if c.lora.rank:
            params = init_adapters(self.decoder, c.lora, jax.random.key(c.seed))
        else:
            # The train step overwrites what it is given, which may be a view of the hosts' copy.
            params = jax.tree.map(jnp.copy, params)
        return init_state(c.train.optimizer, params)

    @functools.cached_property
    def state_shardings(self) -> TrainState:
        """Where each array of a train state lies."""
        return state_shardings(self.mesh, self.abstract_state())

    @functools.cached_property
    def _start(self) -> Any:
        return jax.jit(self._init_state, out_shardings=self.state_shardings)

    @functools.cached_property
    def train_step(self) -> Any:
        """The compiled step of all runs: (state, batch, steps, frozen) -> (state, metrics)."""
        c = self.config
        step = make_train_step(
            self.decoder,
            c.train.optimizer,
            c.batch.microbatches,
            jnp.dtype(c.model.dtype),
            self.shard,
            c.train.remat_policy,
            c.lora.scaling,
        )
        out = self.state_shardings, None
        return jit_on(self.mesh, step, donate_argnums=0, out_shardings=out)

    @functools.cached_property
    def answers(self) -> Answers:
        """Answers prompts: (params, prompts, seed) -> responses."""
        e, mesh = self.config.evaluate, decoding_mesh(self.mesh, self.decoding_tensor)
        return Answers(
            model=self.decoder,
            renderer=self.renderer,
            stop_ids=self.model.stop_ids,
            rows=e.rows,
            prompts_per_row=e.prompts_per_row,
            prompt_tokens=e.prompt_tokens,
            prompt_widths=e.prompt_widths,
            new_tokens=e.new_tokens,
            sampling=e.sampling,
            shard=Shard(mesh, self.config.mesh.attention),
            dtype=jnp.dtype(self.config.model.dtype),
        )

    @functools.cached_property
    def heldout_loss(self) -> HeldoutLoss:
        """The loss on the held-out responses of the config's languages."""
        c = self.config
        heldout = {
            code: self.corpus.heldout[code][: c.evaluate.loss_prompts] for code in c.languages
        }
        return HeldoutLoss(
            self.decoder,
            self.renderer,
            heldout,
            self.batch,
            self.mesh,
            self.shard,
            jnp.dtype(c.model.dtype),
        )

    def compilations(self) -> dict[str, int]:
        """Returns how many programs were compiled for the two that all runs share."""
        return {
            "train_step": self.train_step._cache_size(),
            "decode": self.answers.decode._cache_size(),
        }

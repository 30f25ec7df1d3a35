"""What runs are made of: the corpus, the model's parts, the tuning sets; nothing is compiled."""

import dataclasses
import functools
import hashlib
import itertools
import json
import math
from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import AbstractMesh

from pinch_jax.config import Config
from pinch_jax.corpus.example import Example
from pinch_jax.corpus.recipes import heldout_by_recipe, parse_recipe, recipe_examples
from pinch_jax.corpus.sources import Corpus, load_corpus
from pinch_jax.data.batches import BatchPlan
from pinch_jax.data.config import BatchConfig
from pinch_jax.data.mixture import TooFewExamples
from pinch_jax.data.names import Spec
from pinch_jax.data.plan import plan_batches
from pinch_jax.data.tokenized import Cache, TokenizedCorpus, tokenize_corpus
from pinch_jax.devices.jax_settings import arithmetic
from pinch_jax.devices.mesh import AXES, batch_ways, check_rows, decoding_tensor, make_mesh
from pinch_jax.devices.mesh_config import AUTO, MeshConfig
from pinch_jax.devices.sharding import Shard, parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.hosts.waiting import primary_first
from pinch_jax.model.attention import check_attention
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.model import DrawnWeights, Model
from pinch_jax.model.source import locate, open_model
from pinch_jax.model.stacks import stacks
from pinch_jax.storage.buckets import as_path
from pinch_jax.text.base import check_ids
from pinch_jax.text.template import ENCODING_VERSION, Renderer, Template
from pinch_jax.text.tokenizer import load_tokenizer
from pinch_jax.text.vocabulary import needed_tokens

# Part of every fingerprint: raised when the arithmetic of a run changes.
ARITHMETIC_VERSION = 4


def check_divisible(mesh: MeshConfig, decoder: DecoderConfig, whose: str = "") -> None:
    """Raises UserError where a mesh cannot divide the parameters of a model; it takes no device."""
    from pinch_jax.model.decoder import abstract_params  # loads flax, which a call may do without

    sizes = (1, mesh.fsdp, mesh.context, mesh.tensor)
    try:
        parameter_shardings(AbstractMesh(sizes, AXES), abstract_params(decoder))
    except UserError as error:
        raise UserError(f"{whose}{error}") from None


class Inputs:
    """The inputs of a config's runs, each made when it is first asked for.

    `languages` are those of the corpus, by default all that a study of this config needs; `devices`
    are those of the mesh, by default all that there are.
    """

    def __init__(
        self,
        config: Config,
        progress: bool = True,
        languages: Sequence[str] | None = None,
        devices: Sequence[jax.Device] | None = None,
    ):
        self.config, self.devices = config, devices
        self.languages = config.corpus_languages if languages is None else languages
        self._progress = progress
        if config.model.source:  # before anything that takes long
            locate(config.model.source)
        field = "config.batch.rows" + " / config.batch.microbatches" * (
            config.batch.microbatches > 1
        )
        check_rows(self.ways, field, config.batch.rows // config.batch.microbatches)
        tokens = "config.batch.row_tokens", config.batch.row_tokens
        check_rows(config.mesh.context, *tokens, "context")
        if config.mesh.splits_parameters:
            check_divisible(config.mesh, self._whole_model.decoder)
        groups = self.ways * config.mesh.context * config.mesh.tensor // self.decoding_tensor
        check_rows(groups, "config.evaluate.rows", config.evaluate.rows)
        if config.mesh.attention != AUTO:
            check_attention(self.shard, config.batch.row_tokens, config.model.dtype)

    @functools.cached_property
    def mesh(self) -> jax.sharding.Mesh:
        """The mesh of the devices, by default of all of all processes."""
        return make_mesh(self.config.mesh, self.devices)

    @functools.cached_property
    def ways(self) -> int:
        """Over how many devices the rows of a batch are split.

        Where the config says it all, a tuning set is planned without those devices.
        """
        mesh = self.config.mesh
        return batch_ways(self.mesh) if mesh.data == -1 else mesh.data * mesh.fsdp

    @functools.cached_property
    def decoding_tensor(self) -> int:
        """Over how many devices weights are split while answers are written."""
        c = self.config
        decoder = self._whole_model.decoder if c.model.source else c.model.decoder
        sizes = ((kind.kv_heads, kind.mlp_dim) for kind in stacks(decoder))
        heads = math.gcd(decoder.heads, decoder.layer_embed_dim, *itertools.chain(*sizes))
        split = c.mesh.fsdp * c.mesh.context * c.mesh.tensor
        return decoding_tensor(c.evaluate.tensor, split, heads)

    @functools.cached_property
    def shard(self) -> Shard:
        """What the decoder calls on its activations, and which attention it runs."""
        return Shard(self.mesh, self.config.mesh.attention)

    @functools.cached_property
    def batch(self) -> BatchConfig:
        """The shape of the batches, with rows for every device of the mesh."""
        return self.config.batch.shared_by(self.ways)

    @functools.cached_property
    def model(self) -> Model:
        """The model before tuning; its weights are read when they are asked for."""
        whole = self._whole_model
        if not self.config.model.trim_vocabulary:
            return whole
        tuned = (language.tokens for language in self._whole_tokenized.languages.values())
        rows = whole.decoder.vocab_size

        def asked():
            for example in itertools.chain(*self.corpus.heldout.values()):
                ids = whole.renderer.example(example.asked, example.response)[0]
                where = f"the held-out example {example.id!r} in {example.language!r}"
                check_ids(ids, rows, whole.tokenizer, where)
                yield np.array(ids, np.int32)

        ends = np.array([id for id in whole.end_ids if id < rows], np.int32)
        texts = itertools.chain(tuned, asked(), [ends])
        return whole.trimmed(needed_tokens(texts, whole.tokenizer, rows))

    @functools.cached_property
    def _whole_model(self) -> Model:
        m = self.config.model
        if m.source:
            return open_model(m.source, m.template)
        renderer = Renderer(
            Template(), load_tokenizer(locate(m.tokenizer, "config.model.tokenizer"))
        )
        return Model(m.decoder, renderer, DrawnWeights(m.decoder, self.config.seed))

    @property
    def decoder(self) -> DecoderConfig:
        """What the model is."""
        return self.model.decoder

    @property
    def renderer(self) -> Renderer:
        """The model's template and tokenizer."""
        return self.model.renderer

    @functools.cached_property
    def corpus(self) -> Corpus:
        """The corpus in all of `languages`, or the judge prompts that are made of it."""

        def load():
            c = self.config.corpus
            read = load_corpus(c, self.languages, self._progress)
            if recipe := self.config.evaluate.recipe:
                asked = heldout_by_recipe(recipe, self.languages, read.train, read.heldout)
                return dataclasses.replace(read, heldout=asked)
            if not c.judge_pairs:
                return read
            from pinch_jax.judge.model import find_labels  # and with it what computes
            from pinch_jax.judge.prompt import read_wording
            from pinch_jax.judge.tuning_pairs import judge_corpus

            # As this model will be asked.
            judge = self.config.judges["model"]
            wording = read_wording(judge.template, judge.prompt_language)
            labels = find_labels(self._whole_model.renderer).names
            return judge_corpus(read, c.judge_pairs, wording, labels)

        return primary_first("building the corpus", load)

    def prompts(self, language: str) -> tuple[Example, ...]:
        """Returns the held-out prompts that are answered in a language.

        Raises:
            UserError: the corpus has fewer than config.evaluate.prompts.
        """
        return self.corpus.prompts(language, self.config.evaluate.prompts)

    @functools.cached_property
    def tokenized(self) -> TokenizedCorpus:
        """The training examples as ids, and those that recipes make of them."""
        trimming, whole = self.model.trimming, self._whole_tokenized
        return whole.mapped(trimming.vocabulary.trim) if trimming else whole

    @functools.cached_property
    def _whole_tokenized(self) -> TokenizedCorpus:
        c, renderer = self.config, self._whole_model.renderer
        train = dict(self.corpus.train)
        for name in c.mixture.recipes:
            train[name] = recipe_examples(parse_recipe(name, c.languages), self.corpus.train)
        decisive = (ENCODING_VERSION, renderer.tokenizer.checksum, renderer.described)
        rendering = json.dumps(decisive)
        cache = Cache(as_path(c.corpus.data_dir, "config.corpus.data_dir") / "tokenized", rendering)
        tokenizer, rows = renderer.tokenizer, self._whole_model.decoder.vocab_size

        def tokenize():
            return tokenize_corpus(train, tokenizer.pad_id, renderer.example, cache, self._progress)

        made = primary_first("tokenizing the corpus", tokenize)
        for name, language in made.languages.items():
            check_ids(language.tokens, rows, tokenizer, f"the training examples of {name!r}")
        return made

    def plan(self, spec: Spec | None = None, draw: int = 0) -> BatchPlan:
        """Returns all batches of a draw of a spec's tuning set; by default the config's own."""
        c = self.config
        try:
            return plan_batches(
                c.mixture_of(spec, draw), self.tokenized, self.batch, c.train.epochs
            )
        except TooFewExamples as error:
            if not self.corpus.left_out:
                raise
            raise TooFewExamples(f"{error} ({self.corpus.left_out})") from None

    def fingerprint(self, plan: BatchPlan | None) -> str:
        """Returns the sha256 of everything that decides a run's weights; None: nothing is tuned.

        How often it logs, saves or evaluates, and on how many devices it runs, is not part of it.
        """
        c = self.config
        decisive = {
            "version": ARITHMETIC_VERSION,
            "model": self.model.weights.checksum,
            "decoder": self.decoder.described,
            "template": self.renderer.described,
            "tokenizer": self.renderer.tokenizer.checksum,
            "dtype": arithmetic(c.model.dtype),
        }
        if plan:
            decisive |= {
                "corpus": dict(self.corpus.checksums),
                "tokens": {
                    member: self.tokenized.languages[member].checksum
                    for member, budget in plan.budgets.items()
                    if budget
                },
                "plan": plan.fingerprint,
                "batch": c.batch.decisive,
                "optimizer": dataclasses.asdict(c.train.optimizer),
            }
        if plan and c.lora.rank:
            # Adapters are drawn from the seed.
            decisive["lora"] = dataclasses.asdict(c.lora) | {"seed": c.seed}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

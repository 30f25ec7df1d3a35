"""What a compiled program costs: time by what it is spent on, and what is sent between devices.

On TPUs the compiler estimates the cycles of each fusion; they are added up, as often as loops run.
It has no estimate for a kernel of Pallas, nor for a collective. On GPUs it has none at all.
"""

import collections
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from pinch_jax.forecast.chips import Topology
from pinch_jax.forecast.hlo import Instruction, Program, arrays, first_group
from pinch_jax.forecast.programs import PlannedProgram

# The part of the peak that a kernel of ours is taken to reach, and all products on a GPU.
KERNEL_PEAK, GPU_PEAK = 0.475, 0.5
# A larger estimate is of what runs beside the chip's main cores.
MOST_CYCLES = 1e12
# What the model, the loss and the optimizer call their parts (jax.named_scope).
SCOPES = ("attention", "head", "embedding", "optimizer")
# The bytes that each of n devices sends in a ring, for each that it holds afterwards.
_SENT = {
    "all-gather": lambda n: (n - 1) / n,
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "reduce-scatter": lambda n: n - 1,
    "all-to-all": lambda n: (n - 1) / n,
    "collective-permute": lambda n: 1,
}


class Collective(NamedTuple):
    """All collectives of a kind: how often they run, and the bytes a device has of them after it.

    Those between slices of TPUs or hosts of GPUs are kinds of their own, such as "all-reduce, DCN".
    `seconds` is how long they take if all links are busy and nothing else is done.
    """

    kind: str
    count: float
    bytes: float
    seconds: float


class Cost(NamedTuple):
    """What one call costs.

    Attributes:
        seconds: of computing, by what it is spent on.
        kernel_flops: flops of a device in kernels that the compiler has no estimate for.
        head_bytes: the largest array of the head that a device holds.
        unknown_loops: loops that do not say how often they run, and are counted once.
    """

    seconds: dict[str, float]
    kernel_flops: float
    collectives: tuple[Collective, ...]
    head_bytes: int
    unknown_loops: int


def cost_of(program: Program, planned: PlannedProgram, topology: Topology) -> Cost:
    """Returns what a compiled program costs on a topology."""
    chip, seconds = topology.chip, collections.Counter()
    kernel_flops, head_bytes = _kernel_flops(program, planned) / topology.chips, 0
    for computation, instruction, times in program.instructions():
        category = _category(program, computation, instruction, times)
        if category == "head" and not instruction.type.startswith("("):
            head_bytes = max([head_bytes, *(array.bytes for array in arrays(instruction.type))])
        cycles = instruction.number("estimated_cycles")
        if cycles and chip.clock and cycles * times < MOST_CYCLES:
            seconds[category] += cycles * times / chip.clock
    if kernel_flops:
        seconds["attention"] += kernel_flops / chip.flops / KERNEL_PEAK
    found = tuple(_collectives(program, topology))
    return Cost(dict(seconds), kernel_flops, found, head_bytes, program.unknown_loops)


def _category(program: Program, computation: str, instruction: Instruction, times: float) -> str:
    """Returns what an instruction is part of: a scope by name, else layers or the rest."""
    names = instruction.op_name
    inside = list(_fused(program, instruction))
    if not names:
        names = " ".join(one.op_name for one in inside)
    # The last of them: an embedding's gradient may be inside of the optimizer's norm.
    scopes = re.findall(rf"(?<![\w-])({'|'.join(SCOPES)})(?![\w-])", names)
    if scopes:
        scope = collections.Counter(scopes).most_common(1)[0][0]
        backward = scope == "embedding" and "transpose(" in names
        return "embedding gradient" if backward else scope
    if times <= 1:
        return "other"
    return "matmul" if any(i.opcode in ("dot", "convolution") for i in inside) else "layer, other"


def _fused(program: Program, instruction: Instruction, depth: int = 4) -> Iterable[Instruction]:
    """Yields an instruction and those that are fused in it."""
    yield instruction
    for role, name in instruction.called:
        if role == "calls" and depth:
            for inner in program.computations[name].values():
                yield from _fused(program, inner, depth - 1)


def _kernel_flops(program: Program, planned: PlannedProgram) -> float:
    """Returns the flops of attention kernels on all devices: of two products forward, of five back.

    Where the two gradients have a kernel each, those have three and four products. Each layer's are
    taken to be the mean of all layers'.
    """
    kernels = [
        (f"{instruction.name} {instruction.op_name}", times)
        for _, instruction, times in program.instructions()
        if instruction.opcode == "custom-call" and "tpu_custom_call" in instruction.rest
    ]
    apart = any(re.search(r"\bdq|_dq", name) for name, _ in kernels)
    products = 0.0
    for name, times in kernels:
        if re.search(r"\bdq|_dq", name):
            products += 3 * times
        elif "dkv" in name:
            products += (4 if apart else 5) * times
        else:
            products += 2 * times
    return planned.attention / planned.decoder.layers / 2 * products


def _collectives(program: Program, topology: Topology) -> Iterable[Collective]:
    total: dict[str, list[float]] = {}
    seen: set[Any] = set()
    within = math.prod(topology.shape)
    for computation, instruction, times in program.instructions():
        between = _between_slices(instruction)
        kind = between or instruction.opcode.removesuffix("-start")
        if kind not in _SENT:
            continue
        held = arrays(instruction.type)
        paired = between or kind in ("all-gather", "collective-permute")
        if paired and instruction.opcode != kind:
            held = [max(held, key=lambda array: array.bytes)]  # what goes in stands beside it
        if "async_collective" in computation:  # one is spread over a chain of fusions
            key = kind, tuple(held), instruction.op_name, times
            if key in seen:
                continue
            seen.add(key)
        size = sum(array.bytes for array in held)
        # What libtpu does inside of slices names the devices of one alone.
        group = first_group(instruction, topology.chips if topology.is_gpu else within)
        far = bool(between) or len({place // within for place in group}) > 1
        speed = topology.chip.network if far else topology.chip.links
        seconds = size * _SENT[kind](topology.slices if between else len(group)) / speed
        sums = total.setdefault(kind + ", DCN" * far, [0.0, 0.0, 0.0])
        for index, value in enumerate((1, size, seconds)):
            sums[index] += value * times
    for kind, sums in sorted(total.items()):
        yield Collective(kind, *sums)


def _between_slices(instruction: Instruction) -> str:
    """Returns the collective between slices that an instruction is the end of, "" if none.

    libtpu makes one between all devices of collectives in the slices, and hands a shard to the host
    (Megascale) in between: a device sends and receives that alone.
    """
    found = re.search(r'megascale_transfer_type="(\w+)"', instruction.rest)
    if not found or instruction.opcode != "recv":
        return ""
    kind = found[1].lower().replace("_", "-")
    return kind if kind in _SENT else "collective-permute"


def matmul_flops(program: Program) -> float:
    """Returns the flops of all products of a program that is not optimised yet, on all devices."""
    total = 0.0
    for computation, instruction, times in program.instructions():
        if instruction.opcode == "dot":
            (left,) = arrays(program.computations[computation][instruction.operands[0]].type)
            axes = re.search(r"lhs_contracting_dims=\{([\d,]+)\}", instruction.rest)
            (made,) = arrays(instruction.type)
            summed = math.prod(left.shape[int(n)] for n in axes[1].split(",")) if axes else 1
            total += 2 * math.prod(made.shape) * summed * times
    return total

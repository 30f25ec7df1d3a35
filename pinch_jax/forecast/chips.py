"""Chips and the topologies that are made of them, as `--topology` names them."""

import importlib.metadata
import importlib.util
import math
import os
import re
from typing import Any, NamedTuple

from pinch_jax.config_fields import choose
from pinch_jax.errors import UserError


class Chip(NamedTuple):
    """What one chip can do.

    Attributes:
        flops: peak bf16 multiplications and additions a second.
        memory: bytes of HBM that a program may use.
        bandwidth: bytes a second between HBM and chip.
        links: bytes a second that leave it over all its links (ICI or NVLink) together, one way.
        network: bytes a second that leave it for another slice or host.
        clock: cycles a second, of which the TPU compiler's estimates are made; 0 where it makes
            none.
    """

    flops: float
    memory: float
    bandwidth: float
    links: float
    network: float
    clock: float


# TPUs: flops, memory, bandwidth, links (4 or 6 a chip) and network from "How to Scale Your Model",
# https://jax-ml.github.io/scaling-book/tpus/ and cloud.google.com/tpu/docs/system-architecture;
# memory is what libtpu 0.0.42 refuses to go beyond;
# clocks follow from the peak and the matrix units: 4 of 128 x 128 make 197e12 at 1.5 GHz.
# GPUs: the data sheets of the SXM modules, dense bf16, NVLink one way, one 400 Gb/s card a GPU (200
# of A100); JAX takes three quarters of the memory.
CHIPS = {
    "v5e": Chip(197e12, 15.75 * 2**30, 0.82e12, 4 * 45e9, 3.1e9, 1.5e9),
    "v5p": Chip(459e12, 95.74 * 2**30, 2.77e12, 6 * 90e9, 6.25e9, 1.75e9),
    "v6e": Chip(918e12, 31.25 * 2**30, 1.64e12, 4 * 90e9, 12.5e9, 1.75e9),
    "A100": Chip(312e12, 0.75 * 80e9, 2.04e12, 300e9, 25e9, 0),
    "H100": Chip(989e12, 0.75 * 80e9, 3.35e12, 450e9, 50e9, 0),
    "H200": Chip(989e12, 0.75 * 141e9, 4.8e12, 450e9, 50e9, 0),
}
# What XLA's GPU compiler wants to know of a GPU, beside memory and bandwidth: the compute
# capability, its processors, the shared memory of a block and the L2 cache in bytes, its clock in
# GHz. Source: CUDA C++ Programming Guide, "Compute Capabilities", and the data sheets.
_GPUS = {
    "A100": ("major: 8", 108, 163 * 1024, 40 * 2**20, 1.41),
    "H100": ("major: 9", 132, 227 * 1024, 50 * 2**20, 1.98),
    "H200": ("major: 9", 132, 227 * 1024, 50 * 2**20, 1.98),
}
_WANTED = "write v5e:4x4, v5p:4x4x4*2 (two slices) or gpu:8xH100*4 (four hosts)"


class Topology(NamedTuple):
    """Slices of TPUs, or hosts of GPUs, of chips of a `kind` of CHIPS.

    `shape` is how many of them a slice or host has along each axis.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    slices: int

    @property
    def chip(self) -> Chip:
        """What each of its chips can do."""
        return CHIPS[self.kind]

    @property
    def chips(self) -> int:
        """How many chips there are."""
        return math.prod(self.shape) * self.slices

    @property
    def is_gpu(self) -> bool:
        """Whether it is made of GPUs."""
        return self.kind in _GPUS

    @property
    def compiler(self) -> str:
        """The package that compiles for it, with its version."""
        name = "jax-cuda12-pjrt" if self.is_gpu else "libtpu"
        return f"{name} {importlib.metadata.version(name)}"


def parse_topology(name: str) -> Topology:
    """Returns what --topology names.

    Raises:
        UserError: it names none; says what would.
    """
    found = re.fullmatch(r"(gpu|\w+):(\d+(?:x\d+)*)(?:x([A-Z]\w+))?(?:\*(\d+))?", name)
    if not found or (found[1] == "gpu") != bool(found[3]):
        raise UserError(f"--topology={name}: {_WANTED}")
    kind, shape = found[3] or found[1], tuple(map(int, found[2].split("x")))
    slices = int(found[4] or 1)
    known = [k for k in CHIPS if (k in _GPUS) == bool(found[3])]
    choose(f"--topology={name}", kind, tuple(known))
    axes = 1 if found[3] else 3 if kind == "v5p" else 2
    if len(shape) != axes or not math.prod(shape) * slices:
        example = {1: "8", 2: "4x4", 3: "2x2x4"}[axes]
        raise UserError(
            f"--topology={name}: {kind} has {axes} axes of 1 or more, such as {example}; {_WANTED}"
        )
    return Topology(name, kind, shape, slices)


def prepare_environment() -> None:
    """Tells libraries, before JAX is imported, that there is no device but the CPU.

    Compilers for devices that are not there would look for them, or wait for each other.
    """
    os.environ |= {
        "JAX_PLATFORMS": "cpu",
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    }
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")  # else it warns


def devices_of(topology: Topology) -> list[Any]:
    """Returns the devices of a topology: programs can be compiled for them, not run.

    Raises:
        UserError: the compiler is not installed, or knows no such topology.
    """
    module, extra = (
        ("jax_plugins.xla_cuda12", "plan-gpu") if topology.is_gpu else ("libtpu", "plan")
    )
    try:
        present = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        present = None
    if present is None:
        raise UserError(
            f"--topology={topology.name}: the compiler for it is not installed; "
            f"pip install 'pinch_jax[{extra}]'"
        )
    from jax.errors import JaxRuntimeError
    from jax.experimental import topologies

    platform, options = ("cuda", _gpu(topology)) if topology.is_gpu else ("tpu", _tpu(topology))
    name = f"{topology.kind}:{'x'.join(map(str, topology.shape))}"
    try:
        return topologies.get_topology_desc(name, platform, **options).devices
    except JaxRuntimeError as error:
        raise UserError(
            f"--topology={topology.name}: the compiler ({topology.compiler}) refuses it: "
            f"{' '.join(str(error).split())}; choose a slice that can be had"
        ) from None


def _tpu(topology: Topology) -> dict[str, Any]:
    options: dict[str, Any] = {"num_slices": topology.slices} if topology.slices > 1 else {}
    if math.prod(topology.shape) < 4:  # a host has four chips unless told otherwise
        options["chips_per_host_bounds"] = (*topology.shape, 1, 1)[:3]
    return options


def _gpu(topology: Topology) -> dict[str, Any]:
    chip, (capability, cores, shared, cache, clock) = topology.chip, _GPUS[topology.kind]
    target = f"""
        gpu_device_info {{
          threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
          shared_memory_per_block: 49152 shared_memory_per_block_optin: {shared}
          shared_memory_per_core: {shared + 1024} core_count: {cores} fpus_per_core: 64
          block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
          memory_bandwidth: {chip.bandwidth:.0f} l2_cache_size: {cache} clock_rate_ghz: {clock}
          device_memory_size: {chip.memory / 0.75:.0f} cuda_compute_capability {{ {capability} }}
          registers_per_core_limit: 65536 registers_per_block_limit: 65536
        }}
        platform_name: "CUDA" device_description_str: "{topology.kind}"
        dnn_version_info {{ major: 9 minor: 8 }} runtime_version {{ major: 12 minor: 9 }}"""
    return {"target_config": target, "topology": f"1x{topology.slices}x{topology.shape[0]}"}

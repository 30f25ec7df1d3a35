"""The meshes of real TPU topologies, by libtpu, without a TPU: python tests/tpu_topologies.py.

For each slice, how many shapes of data x fsdp x tensor x context there are, how many can be made
into a mesh, and in how many every host's rows are found. Needs a libtpu that fits jax: 0.0.42 for
jax 0.10.2.
"""

import os
import sys

os.environ |= {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_PLATFORMS": "cpu",
}

import numpy as np
from jax.experimental import topologies
from torus import shapes

from pinch_jax.devices.mesh import MeshConfig, batch_sharding, local_rows, make_mesh

SLICES = (
    *("v5e:2x4", "v5e:4x4", "v5e:4x8", "v5e:8x8", "v5e:8x16", "v5e:16x16"),
    *("v6e:4x4", "v6e:8x8", "v6e:16x16"),
    *("v5p:2x2x2", "v5p:2x2x4", "v5p:2x4x4", "v5p:4x4x4", "v5p:4x4x8"),
)


def rows_by_host(mesh, rows: int) -> dict[int, set[int]]:
    """Returns the rows of each host by what XLA is told, device by device."""
    held: dict[int, set[int]] = {}
    for device, (part,) in batch_sharding(mesh).devices_indices_map((rows,)).items():
        held.setdefault(device.process_index, set()).update(range(*part.indices(rows)))
    return held


def main() -> None:
    """Prints the table; the exit code is 1 where a shape fails."""
    failed = 0
    print("slice      devices hosts shapes  made  apart")
    for name in sys.argv[1:] or SLICES:
        devices = topologies.get_topology_desc(platform="tpu", topology_name=name).devices
        hosts, made, apart = len({d.process_index for d in devices}), 0, 0
        every = shapes(len(devices))
        for shape in every:
            mesh = make_mesh(MeshConfig(*shape), devices)
            rows = 2 * shape[0] * shape[1]
            held = rows_by_host(mesh, rows)
            ours = {host: local_rows(mesh, rows, host).tolist() for host in held}
            made += ours == {host: sorted(own) for host, own in held.items()}
            apart += any(np.ptp(own) >= len(own) for own in ours.values())
        failed += made < len(every)
        print(f"{name:10} {len(devices):7} {hosts:5} {len(every):6} {made:5} {apart:6}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

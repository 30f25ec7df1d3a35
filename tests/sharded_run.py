"""One process of several that read a model and write it again, and what that takes of its host.

python tests/sharded_run.py ADDRESS PROCESSES PROCESS SOURCE TARGET OUTPUT [killed]: OUTPUT/PROCESS
has the bytes of its shards, those that it read of the files, and by how much its memory grew at
most while it wrote; "killed" ends it behind the first piece that it writes.
"""

import json
import os
import re
import signal
import sys
from pathlib import Path

from pinch_jax.hosts.processes import end_processes, start_processes
from pinch_jax.storage.folders import whole_folder

# Several files for each process.
FILE_BYTES = 16_000_000
STATUS = Path("/proc/self/status")


def held_bytes(name: str) -> int:
    """Returns what the system says of the memory of this process."""
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text())[1])


def main(address: str, processes: int, process: int, source: Path, target: Path) -> dict[str, int]:
    """Returns what it took this process."""
    start_processes(address, processes, process, 60)
    import jax

    from pinch_jax.devices.host_memory import fetched_rows
    from pinch_jax.devices.mesh import MeshConfig, make_mesh
    from pinch_jax.hosts.waiting import primary_alone
    from pinch_jax.model import directory
    from pinch_jax.model.directory import describe_model, open_directory, save_model

    directory.MAX_SHARD_BYTES = FILE_BYTES
    model, read = open_directory(source), 0
    tensors = model.weights.tensors
    read_block = tensors.read

    def counted(name, index):
        nonlocal read
        block = read_block(name, index)
        read += block.nbytes
        return block

    tensors.read = counted
    params = model.load_on(make_mesh(MeshConfig(1, jax.device_count(), 1)))
    shards = sum(s.data.nbytes for x in jax.tree.leaves(params) for s in x.addressable_shards)
    # Compiling and the tokenizer take memory too, the same for a model of any size.
    describe_model(target.with_name(f"described{process}"), model)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        fetched_rows(leaf, 0, 1 if path[0].key == "layers" else len(leaf))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = held_bytes("VmRSS")
    with whole_folder(target, primary_alone) as part:
        save_model(part, model, params)
    return {"shards": shards, "read": read, "grown": held_bytes("VmHWM") - before}


def die_behind_the_first_piece() -> None:
    """Lets the first piece be written, and the process be killed in the place of the second."""
    from pinch_jax.model import export

    write = export.write_tensors

    def killed(path, tensors, pieces):
        def first():
            yield next(pieces)
            os.kill(os.getpid(), signal.SIGKILL)

        return write(path, tensors, first())

    export.write_tensors = killed


if __name__ == "__main__":
    address, processes, process, source, target, output, *how = sys.argv[1:]
    if how:
        die_behind_the_first_piece()
    told = main(address, int(processes), int(process), Path(source), Path(target))
    (Path(output) / process).write_text(json.dumps(told))
    end_processes()

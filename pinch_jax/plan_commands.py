"""What `pinch` can say of devices that are not there.

The docstrings are what `pinch --help` prints.
"""

from absl.flags import FLAGS

from pinch_jax.arguments import Commands, read_config, required
from pinch_jax.config_fields import choose

COMMANDS = Commands()


@COMMANDS.command("config", "sweep", "topology", "program", "price", "json")
def plan() -> None:
    """What a study needs on TPUs or GPUs that are not there: memory, time and money."""
    from pinch_jax.forecast.chips import devices_of, parse_topology, prepare_environment

    topology, config = parse_topology(required("topology")), read_config()
    for name in FLAGS.program or ():
        choose("--program", name, ("train", "decode", "judge"))
    prepare_environment()
    devices = devices_of(topology)

    import json

    from pinch_jax.forecast.planning import make_plan
    from pinch_jax.forecast.telling import plan_lines

    planned = make_plan(config, topology, devices, FLAGS.program or (), FLAGS.price)
    print(json.dumps(planned, indent=1) if FLAGS.json else "\n".join(plan_lines(planned, topology)))

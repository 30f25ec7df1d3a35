"""Stands in for `gcloud compute tpus`, of which it takes the same arguments.

$CLOUD is a directory: `futures.json` has, for each request to come, the states that it goes
through, one at each look; `request.json` is the request that is there; `calls.jsonl` is what was
asked for; each `worker-<n>` is the home of a worker, in which commands really run.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CLOUD = Path(os.environ["CLOUD"])
REQUEST = CLOUD / "request.json"
WORKERS = sorted(CLOUD.glob("worker-*"))


def parse() -> argparse.Namespace:
    """Returns the arguments; `--x?` may be left out, `--x!` takes no value."""
    parser = argparse.ArgumentParser("gcloud", allow_abbrev=False)
    groups = parser.add_subparsers(dest="group", required=True)

    def command(parent, verb, *arguments):
        sub = parent.add_parser(verb, allow_abbrev=False)
        for argument in ("--zone", "--project?", *arguments):
            if argument.endswith("!"):
                sub.add_argument(argument[:-1], action="store_true")
            elif argument.startswith("--"):
                sub.add_argument(argument.rstrip("?"), required=not argument.endswith("?"))
            else:
                sub.add_argument(argument)

    requests = groups.add_parser("queued-resources").add_subparsers(dest="verb", required=True)
    command(requests, "list", "--filter", "--format")
    command(requests, "describe", "name", "--format")
    command(requests, "delete", "name", "--force!", "--quiet!")
    node = ("--node-id", "--accelerator-type", "--runtime-version", "--spot!")
    command(requests, "create", "name", *node)
    machines = groups.add_parser("tpu-vm").add_subparsers(dest="verb", required=True)
    command(machines, "ssh", "name", "--worker", "--command")
    command(machines, "scp", "source", "target", "--worker")
    if sys.argv[1:3] != ["compute", "tpus"]:
        parser.error(f"Invalid choice: {sys.argv[1:3]}")
    return parser.parse_args(sys.argv[3:])


def fail(text: str) -> None:
    sys.exit(f"ERROR: (gcloud.compute.tpus) {text}")


def request() -> dict | None:
    return json.loads(REQUEST.read_text()) if REQUEST.exists() else None


def list_(args: argparse.Namespace) -> None:
    found = request()
    if args.format != "value(state.state)":
        fail(f"unexpected --format={args.format}")
    if found and args.filter == f"name~/queuedResources/{found['name']}$":
        print(found["states"][0])
        found["states"] = found["states"][1:] or found["states"]
        REQUEST.write_text(json.dumps(found))


def create(args: argparse.Namespace) -> None:
    if REQUEST.exists():
        fail("ALREADY_EXISTS: Resource already exists")
    futures = json.loads((CLOUD / "futures.json").read_text())
    REQUEST.write_text(json.dumps({"name": args.name, "states": futures.pop(0)}))
    (CLOUD / "futures.json").write_text(json.dumps(futures))
    print(f"Create request issued for: [{args.name}]", file=sys.stderr)


def describe(args: argparse.Namespace) -> None:
    print("state:\n  failedData:\n    error:\n      code: 8\n      message: no more capacity")
    print(f"  state: {request()['states'][0]}")


def delete(args: argparse.Namespace) -> None:
    if not args.quiet:
        fail("This prompt could not be answered because you are not in an interactive session")
    if not request():
        fail("NOT_FOUND: Resource was not found")
    if not args.force:
        fail("FAILED_PRECONDITION: the queued resource has nodes; use --force")
    REQUEST.unlink()


def reachable() -> list[Path]:
    if not request() or request()["states"][0] != "ACTIVE":
        fail("NOT_FOUND: the node was not found")
    return WORKERS


def ssh(args: argparse.Namespace) -> None:
    running = []
    for number, home in enumerate(reachable()):
        print(f"SSH: Attempting to connect to worker {number}...", file=sys.stderr)
        # As ssh does it, after gcloud has split the command at its spaces.
        line = " ".join(args.command.split(" "))
        environment = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"}
        command = ["bash", "-c", line]
        running.append(subprocess.Popen(command, cwd=home, env=environment))
    sys.exit(next((code for code in [process.wait() for process in running] if code), 0))


def scp(args: argparse.Namespace) -> None:
    name, _, path = args.target.partition(":")
    if name != request()["name"]:
        fail(f"NOT_FOUND: {name}")
    for home in reachable():
        shutil.copyfile(args.source, home / path)


if __name__ == "__main__":
    arguments = parse()
    with (CLOUD / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(vars(arguments)) + "\n")
    verb = list_ if arguments.verb == "list" else globals()[arguments.verb]
    verb(arguments)

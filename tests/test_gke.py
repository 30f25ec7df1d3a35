"""launch/gke.yaml, as launch/gke.sh fills it in: what our code and Kubernetes' rules ask of it."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from jax._src import clusters
from jax._src.clusters import cloud_tpu_cluster

from pinch_jax.commands import arguments
from pinch_jax.hosts.stops import FAULT, GO_ON

SCRIPT = Path(__file__).parent.parent / "launch/gke.sh"
SLICE = {
    "NAME": "pinch",
    "IMAGE": "registry/pinch:1",
    "ACCELERATOR": "tpu-v5-lite-podslice",
    "TOPOLOGY": "4x4",
    "HOSTS": "4",
    "KUBECTL": "cat",
}
STUDY = ("study", '--config.mixture.spec=weights:"en"=9,$HOME: x', "--workdir=gs://bucket/a b")


def launched(*arguments, **environment):
    """Returns what the script would apply, and its process."""
    process = subprocess.run(
        [SCRIPT, *arguments],
        env=os.environ | SLICE | environment,
        capture_output=True,
        text=True,
    )
    return yaml.safe_load(process.stdout), process


@pytest.mark.parametrize("slices", [1, 2])
def test_every_host_of_every_slice_gets_the_command_as_it_was_typed(slices):
    manifest, _ = launched(*STUDY, SLICES=str(slices))
    (slice_,) = manifest["spec"]["replicatedJobs"]
    job = slice_["template"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert slice_["replicas"] == slices
    assert job["parallelism"] == job["completions"] == 4
    assert container["args"] == [*STUDY, "--start_timeout=1800", "--coordinator=auto"]
    known = {flag.partition("=")[0].lstrip("-") for flag in container["args"][-2:]}
    assert known <= set(arguments.PROCESS_FLAGS)
    # Pods reach each other by their names, also on the network of their hosts.
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert container["resources"]["limits"] == {"google.com/tpu": 4}


def test_a_stop_starts_all_slices_anew_and_an_input_that_cannot_be_used_does_not():
    manifest, _ = launched(*STUDY)
    policy = manifest["spec"]["failurePolicy"]
    job = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
    pod = job["template"]["spec"]
    (rule,) = job["podFailurePolicy"]["rules"]
    codes = rule["onExitCodes"]
    assert (rule["action"], codes["operator"], codes["values"]) == ("FailJob", "In", [1, 2])
    assert not {GO_ON, FAULT} & {*codes["values"]}
    assert codes["containerName"] == pod["containers"][0]["name"]
    # Only such a Job fails for this reason; every other failure restarts the whole JobSet.
    (rule,) = policy["rules"]
    assert (rule["action"], rule["onJobFailureReasons"]) == ("FailJobSet", ["PodFailurePolicy"])
    assert policy["maxRestarts"] > 0
    # Kubernetes demands it of a pod failure policy; and one pod alone is never started again.
    assert (pod["restartPolicy"], job["backoffLimit"]) == ("Never", 0)


def test_the_variables_that_gke_sets_say_which_host_of_which_slice_a_pod_is(monkeypatch):
    told = {
        "TPU_WORKER_ID": "3",
        "TPU_WORKER_HOSTNAMES": "a,b,c,d",
        "MEGASCALE_SLICE_ID": "1",
        "MEGASCALE_NUM_SLICES": "2",
        "MEGASCALE_COORDINATOR_ADDRESS": "localhost:8080",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cloud_tpu_cluster, "running_in_cloud_tpu_vm", True)
    find = clusters.ClusterEnv.auto_detect_unset_distributed_params
    # As pinch_jax/hosts/processes.py asks.
    address, processes, process, _ = find(None, None, None, None, None, 10)
    assert (address, processes, process) == ("localhost:8482", 8, 7)


def test_what_is_missing_is_said_before_anything_is_applied():
    for typed, environment, message in (
        (STUDY, {"IMAGE": ""}, "set IMAGE"),
        (("study", "--workdir=here"), {}, "give --workdir=gs://BUCKET/PATH"),
    ):
        manifest, process = launched(*typed, **environment)
        assert message in process.stderr
        assert (process.returncode, manifest) == (2, None)

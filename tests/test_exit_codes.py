"""What several processes end with: only a fault of the input keeps a launcher from going on."""

from side_by_side import ended, free_port

from pinch_jax.hosts.stops import FAULT

CODE = """
import sys
from pinch_jax import errors, main
def fail():
    from pinch_jax.hosts.waiting import agreed
    def read():
        raise {error}
    agreed("reading", read)
main.COMMANDS["train"] = fail, main.COMMANDS["train"][1]
main.main(["pinch", "train", *sys.argv[1:]])
"""


def codes(error, processes=2, flags=()):
    """Returns how two of so many processes end, and what they say; the first one raises."""
    call = ["-c", CODE.format(error=error), f"--coordinator=localhost:{free_port()}", *flags]
    return ended(*([*call, f"--processes={processes}", f"--process={i}"] for i in range(2)))


def test_what_a_network_failed_at_once_is_no_fault_of_the_input_in_any_process():
    """GKE gives up for good where a pod ends with 1, and starts all anew at 70."""
    found, told = codes("ConnectionResetError(104, 'reset', 'gs://b/w')")
    assert found == [FAULT, FAULT], told
    assert "process 0 failed at reading: [Errno 104] reset: 'gs://b/w'" in told[1]
    found, told = codes("FileNotFoundError(2, 'no such file', '/data')")
    assert found == [1, 1] and "/data: no such file; give one that is there" in told[0], told
    found, told = codes("errors.OutOfReach('the hub was not reached')")
    assert found == [FAULT, FAULT] and told[0].endswith("pinch train: the hub was not reached\n")
    assert "pinch train: process 0 failed at reading: the hub was not reached\n" in told[1], told


def test_processes_that_wait_in_vain_for_another_are_to_be_started_again():
    found, told = codes("", processes=3, flags=["--start_timeout=3"])
    assert found == [FAULT, FAULT], told
    assert all("gave up: process 0 of 3 waits for 2" in said for said in told)
    assert not any("Traceback" in said for said in told)

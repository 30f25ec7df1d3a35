"""Buckets of both kinds, by servers on this machine: what is kept, and who may write."""

import contextlib
import json
import threading
import time

import fsspec
import jax
import numpy as np
import pytest
from bucket_servers import BUCKET, buckets, make_s3_bucket
from safetensors.numpy import save_file
from small import GEMMA_LIKE, OPTIMIZER, random_params
from trees import assert_same

from pinch_jax.corpus.reading.rows import read_rows
from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.errors import UserError
from pinch_jax.hosts import bucket_locks
from pinch_jax.hosts.locks import only_writer
from pinch_jax.hosts.stops import GO_ON
from pinch_jax.model import loading, ranged_safetensors
from pinch_jax.model.weights import open_safetensors, open_weights
from pinch_jax.storage.buckets import CHECKSUMS, as_path, copy_folder, files_below
from pinch_jax.storage.files import appending, mend_last_line, write_bytes
from pinch_jax.storage.folders import is_there, seal, whole_folder
from pinch_jax.storage.json_input import read_objects
from pinch_jax.train.checkpoint import Checkpoints
from pinch_jax.train.step import init_state


@pytest.fixture(scope="module")
def servers():
    with buckets() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        make_s3_bucket()
        yield


@pytest.fixture(params=["gs", "s3"])
def folder(request, servers):
    return as_path(f"{request.param}://{BUCKET}/{request.node.name}")


@pytest.fixture
def begin(folder):
    """Begins to add lines to a file, as a process does that is killed before it ends."""
    with contextlib.ExitStack() as ends:
        yield lambda path: ends.enter_context(appending(path))


def test_lines_that_were_added_before_a_kill_are_there_once(folder, begin):
    path = folder / "a[b].jsonl"
    begin(path)("1\n")
    add = begin(path)
    add("2\n")
    add("3\n")
    added = {p: p.read_bytes() for p in folder.iterdir() if p != path}
    mend_last_line(path)
    assert path.read_text() == "1\n2\n3\n" and list(folder.iterdir()) == [path]
    # A kill after it was written whole, and before all else was deleted.
    for part, content in added.items():
        part.write_bytes(content)
    mend_last_line(path)
    assert path.read_text() == "1\n2\n3\n"
    # Lines that are not there are not passed over.
    add = begin(path)
    add("4\n")
    between = path.with_name(f"{path.name}.added-{6:015}")
    add("5\n")
    content = between.read_bytes()
    between.unlink()
    with pytest.raises(UserError, match=r"does not go on where .* ends, at byte 6"):
        mend_last_line(path)
    between.write_bytes(content)
    mend_last_line(path)
    assert path.read_text() == "1\n2\n3\n4\n5\n" and list(folder.iterdir()) == [path]
    # Whoever deletes the file does not get its last lines back.
    begin(path)("4\n")
    path.unlink()
    with appending(path) as add:
        add("5\n")
    assert path.read_text() == "5\n" and list(folder.iterdir()) == [path]


def test_what_another_process_writes_is_seen_at_once(folder):
    (folder / "a").write_text("")
    assert [p.name for p in folder.iterdir()] == ["a"] and not (folder / "b").exists()
    other = fsspec.filesystem(folder.parts[1], skip_instance_cache=True)
    other.pipe_file(str(folder / "b"), b"")
    assert (folder / "b").exists()
    assert sorted(p.name for p in folder.glob("*")) == ["a", "b"]


def test_a_folder_that_a_console_has_made_is_not_inside_itself(folder):
    fsspec.filesystem(folder.parts[1]).pipe_file(f"{folder}/", b"")
    assert not [*folder.iterdir(), *folder.glob("*"), *files_below(folder)]
    (folder / "a").write_text("")
    for listed in (folder.iterdir(), folder.glob("*"), files_below(folder)):
        assert list(listed) == [folder / "a"]
    # As after an answer that was lost: the library asks again.
    (folder / "a").unlink()
    (folder / "a").unlink()


@pytest.mark.parametrize("place", ["here", "gs", "s3"])
def test_a_source_that_is_replaced_while_it_is_read_is_refused(place, servers, tmp_path):
    """The first rows of one content, the others of another one of the same length."""
    path = (tmp_path if place == "here" else as_path(f"{place}://{BUCKET}/replaced")) / "rows.jsonl"

    def written(value):
        content = b'{"n": %d}\n' % value * 20_000
        path.write_bytes(content)
        return content

    size = len(written(1))
    rows = read_rows(str(path))
    assert next(rows).fields == {"n": 1}
    assert len(written(2)) == size
    with pytest.raises(UserError, match=r"rows\.jsonl has changed while it was read"):
        list(rows)
    assert {row.fields["n"] for row in read_rows(str(path))} == {2}


def test_lines_of_an_object_are_one_request_and_of_one_content(folder, monkeypatch):
    lines = [{"n": n} for n in range(20_000)]
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    # Whoever fetches it part by part asks for its size before.
    for ask in ("info", "_info"):
        monkeypatch.setattr(fsspec.filesystem(folder.parts[1]), ask, None)
    assert [line for _, line in read_objects(path)] == lines


def test_a_table_in_a_bucket_is_fetched_in_large_parts(servers, monkeypatch):
    path = as_path(f"gs://{BUCKET}/rows.csv")
    path.write_text("n\n" + "".join(f"{n:06}\n" for n in range(140_000)))
    store, parts = fsspec.filesystem("gs"), []

    async def counted(*request, ask=store._call, **options):
        parts.extend(options.get("headers", {}).values())
        return await ask(*request, **options)

    monkeypatch.setattr(store, "_call", counted)
    assert sum(int(row.fields["n"]) for row in read_rows(str(path))) == 139_999 * 70_000
    with path.open() as file:
        assert sum(1 for _ in file) == 140_001
    assert len(parts) == 2


def test_what_is_added_is_found_without_a_list_of_the_folder(folder, begin, monkeypatch):
    begin(folder / "a")("1\n")
    (folder / "a.added").write_text("of another name")
    monkeypatch.setattr(fsspec.filesystem(folder.parts[1]), "ls", None)
    mend_last_line(folder / "a")
    assert (folder / "a").read_text() == "1\n"


def test_what_cannot_be_asked_for_is_not_taken_for_absent(folder, monkeypatch):
    def out_of_reach(path, **options):
        raise PermissionError(path)

    monkeypatch.setattr(fsspec.filesystem(folder.parts[1]), "info", out_of_reach)
    with pytest.raises(PermissionError):
        (folder / "a").exists()


def test_a_bucket_that_is_not_there_is_named_and_not_made(folder):
    absent = as_path(f"{folder.parts[1]}://absent/w")
    absent.mkdir(parents=True)
    with pytest.raises(FileNotFoundError) as told:
        (absent / "a").write_bytes(b"")
    assert told.value.filename == str(absent / "a")
    for no_place in ("gs://bucket", "s3://bucket/mine/../study"):
        with pytest.raises(UserError, match="name a place in a bucket"):
            as_path(no_place)


def test_one_writes_at_a_time_and_says_that_it_lives(folder, monkeypatch):
    monkeypatch.setattr(bucket_locks, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(bucket_locks, "RENEW_SECONDS", 0.1)
    writing, most, said = 0, 0, set()

    def write():
        nonlocal writing, most
        with only_writer(folder / "lock"):
            writing += 1
            most = max(most, writing)
            for _ in range(8):
                time.sleep(0.1)
                with contextlib.suppress(FileNotFoundError):  # the other has taken its own down
                    said.update(flag.read_bytes() for flag in folder.glob("lock-*"))
            writing -= 1

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 1 and writing == 0 and len(said) > 3
    assert not list(folder.glob("*"))


def test_a_dead_writer_is_not_waited_for_and_a_late_one_stops(folder, monkeypatch, capsys):
    codes = []
    monkeypatch.setattr(bucket_locks.os, "_exit", codes.append)
    monkeypatch.setattr(bucket_locks, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(bucket_locks, "EXPIRED_SECONDS", 0.5)
    (folder / "lock-0123").write_text('{"by": "process 1", "since": "noon"}')
    started = time.monotonic()
    with only_writer(folder / "lock"):
        assert time.monotonic() - started > 0.5
        assert not (folder / "lock-0123").exists()
    assert "waiting for process 1, which writes" in capsys.readouterr().err
    monkeypatch.setattr(bucket_locks, "EXPIRED_SECONDS", 120)
    monkeypatch.setattr(bucket_locks, "RENEW_SECONDS", 0.05)
    del codes[:]
    with only_writer(folder / "lock"):
        # Another one has taken this process for dead; what was on its way may come after that.
        while not codes:
            for flag in folder.glob("lock-*"):
                flag.unlink()
            time.sleep(0.02)
    assert codes[0] == GO_ON


def test_a_writer_whose_renewal_hangs_stops_before_another_takes_it_for_dead(folder, monkeypatch):
    stopped, answers = threading.Event(), threading.Event()
    monkeypatch.setattr(bucket_locks.os, "_exit", lambda code: stopped.set())
    monkeypatch.setattr(bucket_locks, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(bucket_locks, "EXPIRED_SECONDS", 4.0)
    with only_writer(folder / "lock"):
        # The flag is up; the store takes the next request, and does not answer.
        monkeypatch.setattr(bucket_locks, "write_text", lambda *_: answers.wait(60))
        in_time = stopped.wait(10)
        answers.set()
    assert in_time


def test_a_writer_that_cannot_say_that_it_lives_does_not_write(folder, monkeypatch):
    def start(thread, start=threading.Thread.start):
        if threading.current_thread() is threading.main_thread():  # others send the requests
            raise RuntimeError("can't start new thread")
        start(thread)

    assert not (folder / "lock").exists()  # the threads of the libraries are there
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start new thread"), only_writer(folder / "lock"):
        pytest.fail("it writes")
    assert not list(folder.glob("*"))


def test_a_folder_is_there_when_its_seal_is(folder, tmp_path):
    for name in ("a", "b", CHECKSUMS):
        (tmp_path / name).write_text(name)
    target = folder / "model"
    copy_folder(tmp_path, target)
    (target / CHECKSUMS).unlink()
    assert target.exists() and not is_there(target)
    with whole_folder(target) as part:
        (part / "b").write_text("new")
        seal(part)
    assert is_there(target)
    assert sorted(p.name for p in files_below(target)) == ["b", CHECKSUMS]


def test_blocks_of_safetensors_are_fetched_and_nothing_else(folder, tmp_path, monkeypatch):
    ours = {"a": np.arange(600, dtype=np.float32).reshape(30, 20), "b": np.ones((4,), np.float32)}
    save_file(ours, tmp_path / "w.safetensors")
    copy_folder(tmp_path, folder)
    fetched = []

    def counted(path, start, stop, read=ranged_safetensors.read_range):
        fetched.append(stop - start)
        return read(path, start, stop)

    monkeypatch.setattr(ranged_safetensors, "read_range", counted)
    monkeypatch.setattr(loading, "PART_BYTES", 3 * 20 * 4)
    with open_safetensors(folder / "w.safetensors") as file:
        assert sorted(file.keys()) == ["a", "b"]
        del fetched[:]
        for rows, columns in ((slice(3, 11), slice(5, 9)), (slice(7, 7), slice(None))):
            block = file.get_slice("a")[rows, columns]
            assert np.array_equal(block, ours["a"][rows, columns])
        assert sum(fetched) == 8 * 20 * 4 and len(fetched) == 3
        assert np.array_equal(file.get_slice("b")[(slice(None),)], ours["b"])
    content = (folder / "w.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(content[:-4])
    with pytest.raises(UserError, match="cut short"):
        open_safetensors(folder / "cut.safetensors")


@pytest.mark.parametrize("place", ["here", "gs", "s3"])
def test_weights_that_are_replaced_while_they_are_read_are_refused(place, servers, tmp_path):
    """Of one model the first tensor, of another one of the same shapes the second."""
    folder = tmp_path / "model" if place == "here" else as_path(f"{place}://{BUCKET}/replaced")
    held = {}
    for value in (1, 2):
        save_file({name: np.full((3,), value, np.float32) for name in "ab"}, tmp_path / "w")
        held[value] = (tmp_path / "w").read_bytes()
    folder.mkdir()
    path = folder / "w.safetensors"
    write_bytes(path, held[1])
    weights = open_weights(path)
    everything = (slice(None),)
    assert weights.read("a", everything).tolist() == [1, 1, 1]
    write_bytes(path, held[2])
    with pytest.raises(UserError, match=r"w\.safetensors has changed while it was read"):
        weights.read("b", everything)
    assert open_weights(path).read("b", everything).tolist() == [2, 2, 2]


def test_a_damaged_checkpoint_is_passed_over(folder, caplog):
    state, directory = init_state(OPTIMIZER, random_params(GEMMA_LIKE)), folder / "checkpoints"
    with Checkpoints(directory) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(state._replace(step=jax.numpy.int32(step)))
    held = sorted(p for p in files_below(directory / "3") if p.parent.name == "d")
    held[0].write_bytes(bytes(len(held[0].read_bytes())))
    with Checkpoints(directory) as checkpoints:
        restored = checkpoints.restore(make_mesh(MeshConfig()), state)
    assert int(restored.step) == 2 and "the run goes on from step 2" in caplog.text
    assert_same(restored.params, state.params)

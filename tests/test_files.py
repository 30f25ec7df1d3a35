"""What is kept is read back as it was written, or not at all."""

import errno
import json
import os

import numpy as np
import pytest
from full_disk import files_of_at_most

from pinch_jax.storage import files
from pinch_jax.storage.buckets import CHECKSUMS
from pinch_jax.storage.files import (
    json_line,
    mend_last_line,
    naming,
    read_kept_lines,
    read_record,
    write_array,
    write_bytes,
    write_record,
)
from pinch_jax.storage.folders import check_sealed, seal

PLAIN = {"text": "é\u2028\x85", "numbers": [1, -2.5, 1e300], "none": None, "in": {"a": True}}


def flips(content):
    """Yields the content with each of its bits flipped."""
    for place, byte in enumerate(content):
        for bit in range(8):
            yield content[:place] + bytes([byte ^ 1 << bit]) + content[place + 1 :]


def read_or_refused(read):
    """Returns what is read, or None where it is refused as damaged."""
    try:
        return read()
    except ValueError as error:
        assert "mend it" in str(error) and "kept.json" in str(error)
        return None


def test_no_flipped_bit_of_an_object_is_read_as_another_object(tmp_path):
    path, plain = tmp_path / "kept.json", PLAIN
    write_record(path, plain)
    assert read_record(path, "mend it") == plain
    assert json.loads(path.read_bytes())["text"] == plain["text"]
    outcomes = []
    for damaged in flips(path.read_bytes()):
        path.write_bytes(damaged)
        outcomes.append(read_or_refused(lambda: read_record(path, "mend it")))
    # What is harmless are blanks, which another blank may stand for.
    assert all(outcome in (None, plain) for outcome in outcomes)
    assert sum(outcome is None for outcome in outcomes) > 0.9 * len(outcomes)


def test_no_flipped_bit_of_lines_is_read_as_other_lines(tmp_path):
    path, lines = tmp_path / "kept.jsonl", [{"a": "x\u2028y"}, {"a": "z"}]
    path.write_text("".join(map(json_line, lines)), encoding="utf-8")

    def read():
        return [record for _, record in read_kept_lines(path, "mend it")]

    assert read() == lines
    for damaged in flips(path.read_bytes()):
        path.write_bytes(damaged)
        assert read_or_refused(read) in (None, lines)
    path.write_text(json.dumps(lines[0]) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"kept\.jsonl:1 has no checksum.*; mend it"):
        read()


@pytest.mark.parametrize("part_bytes", [3, files.PART_BYTES])
def test_a_line_that_a_stop_cut_off_is_left_out_and_a_whole_one_completed(
    tmp_path, monkeypatch, part_bytes
):
    monkeypatch.setattr(files, "PART_BYTES", part_bytes)
    path, first, second = tmp_path / "kept.jsonl", json_line({"n": 1}), json_line({"n": 2})
    for cut in range(len(second)):
        path.write_text(first + second[:cut], encoding="utf-8")
        mend_last_line(path)
        whole = cut == len(second) - 1
        assert path.read_text(encoding="utf-8") == first + second * whole


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "a").write_bytes(b"on\xe5"), r"a does not match its checksum"),
        (lambda folder: (folder / "b/c").unlink(), r"b/c is gone"),
        (lambda folder: (folder / "a").replace(folder / "b/c"), r"a is gone"),
        (lambda folder: (folder / CHECKSUMS).unlink(), r"has no checksums\.json"),
        (lambda folder: (folder / CHECKSUMS).write_bytes(b"{"), r"checksums\.json: not JSON"),
        (
            lambda folder: write_record(folder / CHECKSUMS, {"sha256": {"a": "0" * 64}}),
            r"a does not match its checksum",
        ),
    ],
)
def test_a_folder_is_what_it_was_sealed_with(tmp_path, damage, message):
    (tmp_path / "b").mkdir()
    write_bytes(tmp_path / "a", b"one")
    write_bytes(tmp_path / "b/c", b"two")
    seal(tmp_path)
    (tmp_path / "beside").write_text("no part of it")
    check_sealed(tmp_path, "mend it")
    damage(tmp_path)
    with pytest.raises(ValueError, match=rf"{message}.*; mend it"):
        check_sealed(tmp_path, "mend it")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_what_a_library_says_of_a_full_disk_or_quota_is_what_the_system_said(number, tmp_path):
    with pytest.raises(OSError, match=os.strerror(number)) as raised, naming(tmp_path):
        raise ValueError(f"RESOURCE_EXHAUSTED: Failed writing: {os.strerror(number)} [source ...]")
    assert (raised.value.errno, raised.value.filename) == (number, str(tmp_path))


def test_an_array_that_does_not_fit_says_what_the_system_said(tmp_path):
    """NumPy would say "4000 requested and 480 written" of it, and no number of an error."""
    with files_of_at_most(4096), pytest.raises(OSError, match=r"tokens\.npy") as raised:
        write_array(tmp_path / "tokens.npy", np.arange(4000))
    assert raised.value.errno == errno.EFBIG

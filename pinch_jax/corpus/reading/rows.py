"""Rows of the files that corpora are published as, each with its place for messages.

JSON lines, a JSON list, TSV or CSV with a header (all also as .gz), Parquet, ArrayRecord files of
JSON, and a prepared TFDS directory. A `*` in a file's name stands for all shards.
"""

import contextlib
import csv
import dataclasses
import functools
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pinch_jax.corpus.normalisation import is_blank
from pinch_jax.errors import UserError
from pinch_jax.languages import spellings
from pinch_jax.storage.buckets import as_path, in_bucket, unchanged
from pinch_jax.storage.files import PART_BYTES
from pinch_jax.storage.json_input import check_encodable, parse_json, read_values

_ROWS_AT_ONCE = 1000


@dataclasses.dataclass(frozen=True)
class Row:
    """One record: where it stands, its index from 0 over all shards, and its fields."""

    place: str
    index: int
    fields: Mapping[str, Any]

    def value(self, field: str, kind: type) -> Any:
        """Returns a field of this type.

        Raises:
          UserError: there is no such field, or it is of another type.
        """
        if field not in self.fields:
            raise UserError(
                f"{self.place}: no field {field!r}, only {sorted(self.fields)}; add it, or read "
                "the file with the reader it is for"
            )
        value = self.fields[field]
        if not isinstance(value, kind):
            raise UserError(
                f"{self.place}: {field}={str(value)[:40]!r} is of type {type(value).__name__}; "
                f"make it {kind.__name__}"
            )
        return value

    def text(self, field: str, empty: bool = False) -> str:
        """Returns a field of text; only with `empty` may there be nothing in it.

        Raises:
          UserError: there is no such field, or no text in it that can be written as UTF-8.
        """
        return check_text(self.place, field, self.value(field, str), empty)

    def name(self, field: str) -> str:
        """Returns a field that names something, a text or a whole number, as text."""
        number = isinstance(self.fields.get(field), int)
        return str(self.value(field, int)) if number else self.text(field)


def check_text(place: str, field: str, text: Any, empty: bool = False) -> str:
    """Returns the text if it is one that can be written as UTF-8 and seen."""
    if not isinstance(text, str):
        raise UserError(f"{place}: {field}={text!r:.40} is no text; put it in quotes")
    if is_blank(text):
        if not empty:
            raise UserError(f"{place}: {field}={text!r} is empty; fill it, or delete the record")
        return ""
    check_encodable(f"{place}: {field}: ", text)
    return text


def path_of(pattern: str, code: str) -> str:
    """Returns the path of a language's file, or files, where a path has {language} in it.

    The file may be named by a code that the canonical one has replaced: iw.jsonl for he.
    """
    paths = [pattern.replace("{language}", name) for name in (code, *spellings(code))]
    # A URL out of reach is named by whoever reads it.
    with contextlib.suppress(UserError):
        for path in paths:
            if any(file.exists() for file in files_of(path)):
                return path
    return paths[0]


def files_of(path: str) -> list[Path]:
    """Returns the file of a path, or those that are there where its name has a `*`, in order."""
    named = as_path(path)
    return sorted(named.parent.glob(named.name)) if "*" in named.name else [named]


def read_rows(path: str, split: str = "") -> Iterator[Row]:
    """Yields the records of a file, of files, or of a split of a TFDS directory.

    Raises:
      UserError: there is nothing of that name.
      UserError: a file is broken, out of reach or of no known format, or a record is not one;
        `split` is missing, unknown, or given for a file.
    """
    files = files_of(path)
    if not files or not files[0].exists():
        raise UserError(f"{path}: no such file; correct the path of the source")
    if files[0].is_dir():
        yield from _numbered(_tfds_records(files[0], split))
    elif split:
        raise UserError(f"{path}: only a TFDS directory has splits; leave out split={split!r}")
    else:
        yield from rows_of(files)


def rows_of(files: Iterable[Path]) -> Iterator[Row]:
    """Yields the records of files; UserError as of `read_rows`."""
    return _numbered(itertools.chain.from_iterable(map(_file_records, files)))


def _numbered(records: Iterable[tuple[str, Any]]) -> Iterator[Row]:
    for index, (place, record) in enumerate(records):
        if not isinstance(record, Mapping):
            raise UserError(f"{place}: not an object with fields; repair or delete it")
        yield Row(place, index, record)


def _file_records(file: Path) -> Iterator[tuple[str, Any]]:
    readers = {
        ".json": _json_records,
        ".jsonl": _json_records,
        ".tsv": functools.partial(_table_records, dialect="excel-tab"),
        ".csv": functools.partial(_table_records, dialect="excel"),
        ".parquet": _parquet_records,
        ".array_record": _array_records,
        ".arrayrecord": _array_records,
    }
    # Shards of ArrayRecord end in -00000-of-00008.
    suffix = re.sub(r"-\d+-of-\d+$", "", file.name).removesuffix(".gz")
    suffix = suffix[suffix.rfind(".") :]
    if suffix not in readers:
        raise UserError(
            f"{file}: no known format: it ends in none of {sorted(readers)} (text also in .gz)"
        )
    try:
        with unchanged(file):
            yield from readers[suffix](file)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _broken(file, error) from error


def _broken(file: Path, error: Exception) -> UserError:
    return UserError(f"{file}: broken ({error}); copy or download it anew")


@contextlib.contextmanager
def unpacked(file: Path) -> Iterator[BinaryIO]:
    """Yields the content of a file, of a .gz what is packed in it."""
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(file.open("rb"))
        if file.name.endswith(".gz"):
            stream = stack.enter_context(gzip.open(stream))
        yield stream


def _json_records(file: Path) -> Iterator[tuple[str, Any]]:
    with unpacked(file) as stream:
        yield from read_values(file, stream)


def _table_records(file: Path, dialect: str) -> Iterator[tuple[str, Any]]:
    """Yields header -> cell of each row; a cell may be quoted as spreadsheets do."""
    # Some editors put a byte-order mark before the text, which is none of it.
    kind = "TSV" if dialect == "excel-tab" else "CSV"
    with unpacked(file) as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, dialect=dialect, strict=True)
        try:
            for row in reader:
                place = f"{file}:{reader.line_num}"
                if None in row or None in row.values():
                    raise UserError(
                        f"{place}: not as many cells as the header has ({reader.fieldnames}); "
                        "repair or delete it"
                    )
                # Files that quote nothing have texts that begin with a quotation mark.
                if kind == "TSV" and any("\t" in cell and "\n" in cell for cell in row.values()):
                    raise UserError(
                        f"{place}: a cell, from its quotation mark on, has a tab and a line's end, "
                        "as several rows have; double each quotation mark of a text and put the "
                        "cell between two, or write JSON lines"
                    )
                yield place, row
        except csv.Error as error:
            raise UserError(f"{file}:{reader.line_num}: not {kind} ({error}); repair it") from error


def _parquet_records(file: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow.parquet  # which every config would wait for

    with file.open("rb") as stream:
        try:
            # Unless told otherwise it holds all that it has read until the end.
            held = {"pre_buffer": False, "buffer_size": PART_BYTES}
            batches = pyarrow.parquet.ParquetFile(stream, **held).iter_batches(_ROWS_AT_ONCE)
            rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
            yield from ((f"{file}, row {number}", row) for number, row in enumerate(rows, start=1))
        except pyarrow.ArrowInvalid as error:
            raise _broken(file, error) from error


def _array_records(file: Path) -> Iterator[tuple[str, Any]]:
    from array_record.python.array_record_module import ArrayRecordReader

    if in_bucket(file):
        raise UserError(f"{file}: ArrayRecord files are read from a disk; copy it to one")
    remedy = "write records of JSON, or name the directory that TFDS prepared: tfds:DIRECTORY"
    with contextlib.closing(ArrayRecordReader(str(file))) as reader:
        count = reader.num_records()
        for start in range(0, count, _ROWS_AT_ONCE):
            records = reader.read(start, min(start + _ROWS_AT_ONCE, count))
            for number, record in enumerate(records, start=start):
                place = f"{file}, record {number}"
                yield place, parse_json(place, record, remedy)


def _tfds_records(directory: Path, split: str) -> Iterator[tuple[str, Any]]:
    import tensorflow_datasets as tfds  # which takes seconds, and few read with it

    if in_bucket(directory):
        raise UserError(f"{directory}: what TFDS prepared is read from a disk; copy it to one")
    if not split:
        raise UserError(f"{directory}: which split of it? Write it as ?split=train")
    try:
        source = tfds.builder_from_directory(directory).as_data_source(split)
    except (ValueError, KeyError, OSError, NotImplementedError) as error:
        told = " ".join(str(error).split())
        raise UserError(
            f"{directory}, split={split!r}: not readable ({told}); name a directory that holds a "
            "dataset_info.json, prepared with file_format='array_record', and a split of it"
        ) from error
    for start in range(0, len(source), _ROWS_AT_ONCE):
        places = range(start, min(start + _ROWS_AT_ONCE, len(source)))
        for number, record in zip(places, source.__getitems__(places), strict=True):
            yield f"{directory}, {split} record {number}", _plain(record)


def _plain(value: Any) -> Any:
    """Returns what TFDS decodes as the same in plain Python: text for bytes, lists for arrays."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value.decode() if isinstance(value, bytes) else value

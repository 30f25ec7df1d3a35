"""Paths here or in a bucket, gs:// or s3://, and what differs there.

A bucket has objects alone, each of which is written whole or not at all: no folders, no renaming,
no appending. Whatever was written is read and listed from then on, by everybody.
"""

import contextlib
import errno
import fnmatch
import functools
import glob
import importlib.util
import io
import os
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import fsspec
from etils.epath.gpath import PosixGPath

from pinch_jax.errors import UserError

BUFFER_BYTES = 1 << 20
# By what etils.epath reaches them, whether TensorFlow is installed or not.
LIBRARIES = {"gs": "gcsfs", "s3": "s3fs"}
os.environ.setdefault("EPATH_USE_TF", "false")
for _name in ("gs", "gcs", "s3"):
    # They would remember listings, and not see what other processes write.
    fsspec.config.conf.setdefault(_name, {})["use_listings_cache"] = False


# By which a folder is known, or checked: in a bucket it comes after all else.
CHECKSUMS = "checksums.json"
LAST = (CHECKSUMS, "config.json")


class BucketPath(PosixGPath):
    """A path in a bucket, with the methods of a pathlib.Path.

    Those of the library take what fails for what is not there, a bracket in a folder's name for a
    pattern, and texts in the system's encoding; and make buckets.
    """

    def absolute(self) -> "BucketPath":
        return self

    def resolve(self, strict: bool = False) -> "BucketPath":
        return self

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Does nothing: there are no folders."""

    def _kind(self) -> str:
        try:
            return _system(self).info(str(self))["type"]
        except FileNotFoundError:
            return ""

    def exists(self) -> bool:
        return bool(self._kind())

    def is_dir(self) -> bool:
        return self._kind() == "directory"

    def is_file(self) -> bool:
        return self._kind() == "file"

    def iterdir(self) -> Iterator["BucketPath"]:
        for name in _system(self).ls(str(self), detail=False):
            path = BucketPath(f"{self.parts[1]}://{name}")
            # Consoles make a folder by an object that has its name and a slash.
            if path != self:
                yield path

    def glob(self, pattern: str) -> Iterator["BucketPath"]:
        first, _, rest = pattern.partition("/")
        named = [self / first]
        if glob.has_magic(first):
            named = []
            with contextlib.suppress(FileNotFoundError):
                named = [p for p in self.iterdir() if fnmatch.fnmatchcase(p.name, first)]
        for path in named:
            if rest:
                yield from path.glob(rest)
            elif glob.has_magic(first) or path.exists():
                yield path

    def stat(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(st_size=_system(self).size(str(self)))

    def open(self, mode: str = "r", encoding: str = "utf-8", **text: Any) -> IO:
        if "b" not in mode:
            return io.TextIOWrapper(self.open("rb"), encoding, **text)
        if mode != "rb":
            raise ValueError(f"{self}: mode={mode!r}: an object is written whole")
        # gcsfs has another thread read each line: 0.3 to 0.6 ms (tests/benchmarks/bucket_lines.py).
        return _Buffered(_system(self).open(str(self), "rb"), BUFFER_BYTES)

    def read_bytes(self) -> bytes:
        # By one request, so that they are of one content; s3fs has several for a large object.
        alone = {"max_concurrency": 1} if self.parts[1] == "s3" else {}
        return _system(self).cat_file(str(self), **alone)

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return io.TextIOWrapper(io.BytesIO(self.read_bytes()), encoding, errors).read()

    def write_bytes(self, data: bytes) -> int:
        try:
            _system(self).pipe_file(str(self), data)
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, "there is no such bucket", str(self)) from error
        return len(data)

    def write_text(self, data: str, encoding: str = "utf-8") -> int:
        return self.write_bytes(data.encode(encoding))

    def rmtree(self, missing_ok: bool = False) -> None:
        held = list(files_below(self))
        if not (held or missing_ok):
            raise FileNotFoundError(errno.ENOENT, "nothing is there", str(self))
        for path in held:
            path.unlink(missing_ok=True)

    def unlink(self, missing_ok: bool = False) -> None:
        # Of an answer that is lost a store is asked again, when the object is gone already.
        with contextlib.suppress(FileNotFoundError):
            _system(self).rm_file(str(self))


class _Buffered(io.BufferedReader):
    """Reads all parts through its buffer, also those of 8 kB that text is decoded by."""

    def read1(self, size: int = -1) -> bytes:
        self.peek(1)  # with an empty buffer just these would be fetched, a request each
        return super().read1(size)


def as_path(named: str | Path, field: str = "") -> Path:
    """Returns the path that somebody has named in a field, on a disk or in a bucket.

    Raises:
        UserError: the bucket is of a kind that is not known, its library is not installed, or it
            is not reached.
    """
    if isinstance(named, BucketPath):
        return named
    scheme, url, _ = str(named).partition("://")
    if not url:
        return Path(named).expanduser()
    told = f"{field}={named}" if field else named
    if scheme not in LIBRARIES:
        raise UserError(f"{told}: a bucket is gs:// or s3://; name one, or a folder")
    if not importlib.util.find_spec(LIBRARIES[scheme]):
        raise UserError(f"{told}: for buckets: pip install 'pinch_jax[buckets]'")
    path = BucketPath(named)
    if len(path.parts) < 4 or ".." in path.parts:  # which would be the name of a folder
        raise UserError(f"{told}: name a place in a bucket, {scheme}://BUCKET/PATH without `..`")
    _check_reached(path.parents[-3])
    return path


@functools.cache
def _check_reached(bucket: BucketPath) -> None:
    try:
        (bucket / "pinch").exists()
    except Exception as error:  # each store, and each library before it, has errors of its own
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{bucket}: not reached ({told}); check name and credentials") from error


def in_bucket(path: Path) -> bool:
    """Returns whether a path is one in a bucket."""
    return isinstance(path, BucketPath)


def _system(path: BucketPath) -> fsspec.AbstractFileSystem:
    return fsspec.filesystem(path.parts[1])


def content_id(path: Path) -> str:
    """Returns what another content of a file has otherwise; of its bytes nothing is read."""
    if in_bucket(path):
        return _system(path).ukey(str(path))
    told = path.stat()
    return f"{told.st_ino} {told.st_size} {told.st_mtime_ns}"


@contextlib.contextmanager
def unchanged(path: Path, content: str = "") -> Iterator[None]:
    """Lets a block read a file part by part; UserError if they are not of one content.

    `content` is its content_id, by default that of now.
    """
    content = content or content_id(path)
    yield
    if content_id(path) != content:
        raise UserError(f"{path} has changed while it was read; run again once it is whole")


def read_range(path: Path, start: int, stop: int) -> bytes:
    """Returns bytes of an object, and fetches no others."""
    return _system(path).cat_file(str(path), start=start, end=stop)


def files_below(folder: Path) -> Iterator[Path]:
    """Yields all files below a folder."""
    if not in_bucket(folder):
        yield from (path for path in folder.rglob("*") if path.is_file())
        return
    for name in _system(folder).find(str(folder)):
        if not name.endswith("/"):
            yield BucketPath(f"{folder.parts[1]}://{name}")


def beside(path: Path, ending: str) -> list[Path]:
    """Returns the objects whose names begin with that of another one and this ending, in order."""
    # Of a folder of thousands no others are listed.
    names = _system(path).find(str(path.parent), prefix=f"{path.name}{ending}")
    return sorted(path.with_name(Path(name).name) for name in names)


def copy_folder(
    source: Path, target: Path, wanted: Callable[[Path], bool] = lambda path: True
) -> None:
    """Copies what is wanted of a folder into a bucket or out of one, LAST at the end."""
    ordered = sorted(files_below(source), key=lambda path: (path.name in LAST, path))
    for path in filter(wanted, ordered):
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        if in_bucket(copied):
            _system(copied).put_file(str(path), str(copied))
        else:
            _system(path).get_file(str(path), str(copied))


def kvstore(folder: Path) -> dict[str, str]:
    """Returns a folder as TensorStore names it."""
    if not in_bucket(folder):
        return {"driver": "file", "path": f"{folder.absolute()}/"}
    _, scheme, bucket, *keys = folder.parts
    driver = {"gs": "gcs"}.get(scheme, scheme)
    return {"driver": driver, "bucket": bucket, "path": "".join(f"{key}/" for key in keys)}

"""A disk that has no room: the system's limit on the size of a file, which any process may set."""

import contextlib
import resource


@contextlib.contextmanager
def files_of_at_most(size):
    """Lets no file grow beyond so many bytes; what would is told EFBIG, as ENOSPC of a disk."""
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)

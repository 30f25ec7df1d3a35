"""The one error that is shown without a traceback, and which faults may pass by themselves."""

import errno

# What to do about a file that the system refuses.
ADVICE = {
    errno.ENOENT: "give one that is there",
    errno.ENOTDIR: "a file is in the place of a folder; give another path",
    errno.EEXIST: "a file is in the place of a folder; give another path",
    errno.EISDIR: "it is a folder; give a file",
    errno.EACCES: "you may not use it; give another path, or change its mode",
    errno.EPERM: "you may not use it; give another path, or change its mode",
    errno.EROFS: "give a path that can be written",
    errno.ENOSPC: "make room, and run again to go on",
    errno.EDQUOT: "make room, and run again to go on",
    errno.EFBIG: "lift the limit (ulimit -f), or use another disk; run again to go on",
    errno.ENAMETOOLONG: "give a shorter name",
}
# Of a disk that is full, or can only be read, libraries do not say of which file they heard so.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class UserError(ValueError):
    """What a person can mend: says the field, or the file and line, the value, and the way out."""


class OutOfReach(UserError):
    """A service or the hub does not answer: look why, or make the same call again later."""


def is_of_input(error: BaseException) -> bool:
    """Returns whether the same call would end so again until a person mends what it was given.

    A network, a disk and another process may be at fault in one call and not in the next.
    """
    if not isinstance(error, OSError):
        return isinstance(error, UserError) and not isinstance(error, OutOfReach)
    return error.errno in FULL or (error.errno in ADVICE and bool(error.filename))


def is_transient(status: int) -> bool:
    """Returns whether a request that was answered with this may succeed later."""
    return status in (408, 409, 425, 429) or (status >= 500 and status != 501)

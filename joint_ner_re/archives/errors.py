"""The one error of an archive that cannot be read."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from allennlp.common.checks import ConfigurationError

from joint_ner_re.writing import PathLike

_MAX_REASON = 500
# Faults of the machine, which say nothing about the archive.
_MACHINE = {
    errno.EACCES, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC,
    errno.EPERM, errno.EROFS,
}  # fmt: skip


class ArchiveError(ConfigurationError):
    """An archive cannot be read; the message names the archive and, where known, the member."""


@contextmanager
def reading(archive: PathLike, member: str = "") -> Iterator[None]:
    """Turns every exception of the block into one `ArchiveError`, which keeps it as its cause.

    AllenNLP, tarfile and torch raise nearly any exception where an archive is damaged. So put only
    the call that reads or uses the archive's content into the block.

    # Parameters

    archive : `str`
    member : `str`, optional (default = `""`)
        What is read of it, such as `"config.json"`.

    # Raises

    `ArchiveError`
        If the block raises anything but an `OSError` that is the machine's, such as a full disk.
    """
    try:
        yield
    except ArchiveError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _MACHINE:
            raise
        reason = " ".join(str(error).split())
        if not isinstance(error, ConfigurationError):
            what = "it cannot be read" if member else "it cannot be read as a model.tar.gz"
            reason = f"{what}: {type(error).__name__}: {reason}"
        if len(reason) > _MAX_REASON:
            reason = f"{reason[:_MAX_REASON]}..."
        # A message about a file of weights begins with its name.
        named = not member or reason.startswith(member)
        place = os.fspath(archive) if named else f"{os.fspath(archive)}: {member}"
        raise ArchiveError(f"{place}: {reason}") from error

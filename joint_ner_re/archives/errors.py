"""The error of an archive that cannot be read."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from allennlp.common.checks import ConfigurationError

from joint_ner_re.messages import cut_middle
from joint_ner_re.writing import PathLike

_MAX_REASON = 500
# Errors of the machine, not of the archive.
_MACHINE = {
    errno.EACCES, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC,
    errno.EPERM, errno.EROFS,
}  # fmt: skip


class ArchiveError(ConfigurationError):
    """An archive cannot be read; the message names the archive and, if known, the member."""


@contextmanager
def reading(archive: PathLike, member: str = "") -> Iterator[None]:
    """Turn any exception of the block into an `ArchiveError`, with the exception as its cause.

    AllenNLP, tarfile and torch may raise almost any exception for a damaged archive. So the block
    should only read or use the content of the archive.

    # Parameters

    archive : `str`
        The archive.
    member : `str`, optional (default = `""`)
        The member that is read, such as `"config.json"`.

    # Raises

    `ArchiveError`
        If the block raises an exception, unless it is an error of the machine such as a full disk.
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
        reason = cut_middle(reason, _MAX_REASON)
        # Messages of `weight_files` already start with the member's name.
        named = not member or reason.startswith(member)
        place = os.fspath(archive) if named else f"{os.fspath(archive)}: {member}"
        raise ArchiveError(f"{place}: {reason}") from error

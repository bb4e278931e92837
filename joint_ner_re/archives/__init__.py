"""Loads model archives safely, even from strangers, and rewrites their configurations.

With AllenNLP alone, the configuration of an archive can construct any class that Python can import,
its weights are a pickle, and its members can be written anywhere. Here

- members must be files and directories inside the archive, and their number and size are limited
  (`members`);
- the configuration may name only classes of this package, classes of AllenNLP that only compute,
  classes of packages that the user has imported, and those in `JOINT_NER_RE_TRUST`; and it may not
  fetch files from URLs (`trust`);
- weights must be tensors (`joint_ner_re.weight_files`);
- a damaged archive gives one `ArchiveError` that names the archive and the member (`errors`).

The functions in `loading` replace functions that AllenNLP's `load_archive` calls. So AllenNLP's own
commands, such as `allennlp predict`, follow the same rules, for all kinds of models.
"""

from joint_ner_re.archives.errors import ArchiveError
from joint_ner_re.archives.loading import load_archive
from joint_ner_re.archives.members import (
    COMPRESSION,
    CONFIG,
    extracted,
    read_config,
    write_with_config,
)
from joint_ner_re.archives.trust import check_config

__all__ = [
    "COMPRESSION",
    "CONFIG",
    "ArchiveError",
    "check_config",
    "extracted",
    "load_archive",
    "read_config",
    "write_with_config",
]

"""Model archives: read as what somebody else may have made, and written with another configuration.

An archive tells AllenNLP what to make: its configuration can name any class that Python can import,
with the options it likes; its weights are a pickle; its members can lead anywhere. So here

- members are files and directories inside the archive, of a bounded number and size (`members`);
- the configuration chooses among classes of this package, some of AllenNLP's that do no more than
  compute, those of packages that the user has imported, and those of `JOINT_NER_RE_TRUST`; and it
  has no file fetched from an address (`trust`);
- weights are tensors (`joint_ner_re.weight_files`);
- what is damaged ends in one `ArchiveError` that names the archive and the member (`errors`).

AllenNLP's own commands, such as `allennlp predict`, call AllenNLP's `load_archive`. The functions
in `loading` take the place of those that it calls, so that it follows these rules, too, for models
of all kinds.
"""

from joint_ner_re.archives.errors import ArchiveError
from joint_ner_re.archives.loading import load_archive
from joint_ner_re.archives.members import CONFIG, extracted, read_config, write_with_config
from joint_ner_re.archives.trust import check_config

__all__ = [
    "CONFIG",
    "ArchiveError",
    "check_config",
    "extracted",
    "load_archive",
    "read_config",
    "write_with_config",
]

"""Damaged archives end in one error that names the archive and the member, at every door."""

import damaged_archives
import pytest
from allennlp import models
from damaged_archives import CONTAINER, CONTENT, packed

from joint_ner_re.archives import ArchiveError, load_archive


@pytest.fixture(scope="module")
def parts(tiny_archive):
    return damaged_archives.read(tiny_archive.read_bytes())


def check(path, member, load=load_archive):
    """Load an archive, or find the error that names it and the member."""
    if member is None:
        load(path)
        return
    with pytest.raises(ArchiveError) as error:
        load(path)
    message = str(error.value)
    assert message.startswith(str(path)) and member in message, message
    assert len(message) < 1000 and "\n" not in message


@pytest.mark.parametrize("kind", CONTENT)
def test_a_damaged_member(parts, tmp_path, kind):
    damage, member = CONTENT[kind]
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(damage(parts)))
    check(path, member)


@pytest.mark.parametrize("kind", CONTENT)
def test_a_damaged_member_of_a_directory(parts, tmp_path, kind):
    """What `allennlp train` leaves, which AllenNLP's own commands load, too."""
    damage, member = CONTENT[kind]
    for name, content in damage(parts).items():
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content)
    check(tmp_path / "run", member, models.load_archive)


@pytest.mark.parametrize("kind", CONTAINER)
def test_a_damaged_container(parts, tmp_path, kind):
    damage, loads = CONTAINER[kind]
    path = tmp_path / "a.tar.gz"
    path.write_bytes(damage(parts))
    check(path, None if loads else "", models.load_archive)

"""Archives that are not what they should be."""

import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from allennlp.common.checks import ConfigurationError

from joint_ner_re.archives import extracted, write_with_config


def packed(path, *members, **files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return str(path)


def link(name, target="/etc/passwd", kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "member, message",
    [
        (link("weights.th"), "is a link or a device"),
        (link("weights.th", kind=tarfile.LNKTYPE), "is a link or a device"),
        (link("null", kind=tarfile.CHRTYPE), "is a link or a device"),
        (tarfile.TarInfo("../x"), "leads out of the archive"),
        (tarfile.TarInfo("a/../../x"), "leads out of the archive"),
        (tarfile.TarInfo("/tmp/x"), "leads out of the archive"),
        (tarfile.TarInfo("a\\x"), "leads out of the archive"),
    ],
)
def test_members_that_are_no_plain_files_within_are_refused(tmp_path, member, message):
    path = packed(tmp_path / "a.tar.gz", member, config_json=b"{}")
    with pytest.raises(ConfigurationError, match=message), extracted(path):
        pass
    with pytest.raises(ConfigurationError, match=message):
        write_with_config(path, {}, str(tmp_path / "b.tar.gz"))
    assert os.listdir(tmp_path) == ["a.tar.gz"]


def test_what_is_no_archive_is_an_error_that_says_so(tmp_path):
    text = tmp_path / "text.tar.gz"
    text.write_text("not an archive")
    cut = tmp_path / "cut.tar.gz"
    whole = Path(packed(tmp_path / "a.tar.gz", config_json=b"{}" * 5000))
    cut.write_bytes(whole.read_bytes()[:60])
    for path, message in (
        (text, "cannot be read as a model.tar.gz"),
        (cut, "cannot be read as a model.tar.gz"),
        (packed(tmp_path / "b.tar.gz", a=b""), "has no config.json"),
        ("missing.tar.gz", "is not a file"),
    ):
        with pytest.raises(ConfigurationError, match=message), extracted(str(path)):
            pass


def test_a_broken_configuration_is_an_error(tmp_path):
    path = packed(tmp_path / "a.tar.gz", config_json=b"{")
    with pytest.raises(ConfigurationError, match="not JSON"), extracted(path):
        pass


def test_only_the_configuration_changes_and_the_bytes_do_not_depend_on_time(tmp_path):
    folder = tarfile.TarInfo("vocabulary")
    folder.type = tarfile.DIRTYPE
    path = packed(tmp_path / "a.tar.gz", folder, config_json=b'{"a": 1}', weights_th=b"\0\1")
    targets = [str(tmp_path / name) for name in ("b.tar.gz", "c.tar.gz")]
    for target in targets:
        write_with_config(path, {"a": 2}, target)
    with tarfile.open(targets[0]) as tar:
        assert tar.getnames() == ["config.json", "weights.th", "vocabulary"]
        assert json.load(tar.extractfile("config.json")) == {"a": 2}
        assert tar.extractfile("weights.th").read() == b"\0\1"
    assert Path(targets[0]).read_bytes() == Path(targets[1]).read_bytes()

"""The helper that does what a page says."""

import pytest
from fences import blocks, commands, follow

PAGE = """
```bash
echo one > file.txt  # and so on
cat file.txt \\
  file.txt
```

```text
one
one
```

```json
// data.json
{"never": "compared"}
```

<!-- not run: it would fail -->
```bash
false
```

```python
x = 2
print({"half": x / 4})
```

```json
{'half':
  0.7}
```

```python
print(x)
```

```console
anything
```
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "page.md"
    path.write_text(PAGE, "utf-8")
    return path


def test_a_page_is_done_block_by_block(page, tmp_path):
    assert follow(page) == ["echo one > file.txt", "cat file.txt    file.txt"]
    assert (tmp_path / "data.json").read_text("utf-8").endswith('{"never": "compared"}\n')
    found = blocks(PAGE)
    assert [block.skipped for block in found] == [False] * 3 + [True] + [False] * 4
    assert PAGE.splitlines()[found[0].line - 1] == "```bash"


@pytest.mark.parametrize(
    "right, wrong", [("one\none\n", "one\ntwo\n"), ("'half':\n  0.7", "'third':\n  0.7")]
)
def test_what_is_shown_must_be_what_is_printed(page, right, wrong):
    page.write_text(PAGE.replace(right, wrong, 1), "utf-8")
    with pytest.raises(AssertionError, match=r"page.md:\d+ shows"):
        follow(page)


def test_a_command_that_fails_fails(page):
    page.write_text("```bash\nfalse\n```\n", "utf-8")
    with pytest.raises(Exception, match="non-zero exit status 1"):
        follow(page)


def test_a_quotation_goes_on_over_lines():
    block = "# it's a remark\necho 'a\nb' c\n\necho d#e  # and another\n"
    assert commands(block) == ["echo 'a\nb' c", "echo d#e"]
    with pytest.raises(AssertionError, match="no closing quotation"):
        commands("echo 'a\n")


def test_a_file_may_be_shorter_than_shown(page):
    follow(page, {"compared": "read"})
    assert 'never": "read' in (page.parent / "data.json").read_text("utf-8")
    with pytest.raises(AssertionError, match="does not hold epochs"):
        follow(page, {"epochs": "1"})

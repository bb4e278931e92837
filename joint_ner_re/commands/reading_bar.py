"""A progress bar over the sentences of a corpus."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from joint_ner_re.corpora.files import counted_bytes, is_parquet, is_zip
from joint_ner_re.sentence import Sentence
from joint_ner_re.streams import PathLike, is_stream


def reading_bar(
    sentences: Iterable[Sentence], path: PathLike, what: str, leave: bool = False
) -> Iterator[Sentence]:
    """Passes the sentences of a corpus on, and shows how much of its files has been read.

    How many sentences a corpus has is known at its end only, so the total is the files' size in
    bytes. Streams and packed formats have none: the bar then shows the sentences alone. The bar is
    for terminals; into a file or a pipe nothing is drawn.

    # Parameters

    sentences : `Iterable[Sentence]`
        The sentences, which are read when they are asked for.
    path : `str`
        The corpus: a file or a directory.
    what : `str`
        What is done, such as `"converting"`.
    leave : `bool`, optional (default = `False`)
        Whether the bar stays when it is full.
    """
    total = _size(path)
    if total is None:
        yield from tqdm(sentences, what, unit=" sentences", leave=leave, disable=None)
        return
    with (
        counted_bytes() as count,
        tqdm(total=total, desc=what, unit="B", unit_scale=True, leave=leave, disable=None) as bar,
    ):
        number = 0
        for number, sentence in enumerate(sentences, start=1):
            bar.set_postfix_str(f"{number:,} sentences", refresh=False)
            bar.update(count() - bar.n)
            yield sentence
        bar.set_postfix_str(f"{number:,} sentences", refresh=False)
        # Files of other kinds in a directory are never opened.
        bar.update(total - bar.n)


def _size(path: PathLike) -> int | None:
    """The bytes of a file, or of all files in a directory."""
    if is_stream(path) or is_zip(path) or is_parquet(path):
        return None
    if not os.path.isdir(path):
        return os.path.getsize(path) if os.path.exists(path) else None
    files = (os.path.join(place, name) for place, _, names in os.walk(path) for name in names)
    return sum(os.path.getsize(file) for file in files if os.path.isfile(file))

"""The types of a UIMA CAS, checked before `dkpro-cassis` makes classes of them.

`cassis` puts the names of features into code that it runs, and each type holds all features that it
inherits.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from typing import NamedTuple

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike
from joint_ner_re.messages import quote

MAX_FEATURES = 100_000
"""How many features the types of a CAS may have in all, with those that they inherit."""

_TYPE_NAME = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*(?:\[\])?", re.ASCII)
_FEATURE_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


class Feature(NamedTuple):
    """A feature of a type, as a type system gives it."""

    name: str
    range: str
    element: str
    multiple: str


class CasType(NamedTuple):
    """A type of a CAS."""

    name: str
    parent: str
    features: list[Feature]


def check_types(path: PathLike, types: Sequence[CasType]) -> None:
    """Check what `cassis` makes classes of, for which it runs code that holds the names.

    # Parameters

    path : `str`
        The file that uses the types, for messages.
    types : `Sequence[CasType]`
        The types.

    # Raises

    `CorpusFormatError`
        If a name is none, or types inherit from themselves, or too many features.
    """
    by_name = {kind.name: kind for kind in types}
    for kind in types:
        for name in (kind.name, kind.parent):
            if not _TYPE_NAME.fullmatch(name):
                raise CorpusFormatError(
                    path, 1, f"a type is called {quote(name, 60)}; expected a name such as a.Name"
                )
        for feature in kind.features:
            if not _FEATURE_NAME.fullmatch(feature.name) or keyword.iskeyword(feature.name):
                raise CorpusFormatError(
                    path,
                    1,
                    f"a feature of the type {quote(kind.name, 60)} is called "
                    f"{quote(feature.name, 60)}; expected a name that is no word of Python: rename "
                    "the feature, or export WebAnno TSV",
                )
    total: dict[str, int] = {}
    for name in by_name:
        line: list[str] = []
        while name in by_name and name not in total:
            if len(line) == len(by_name):
                raise CorpusFormatError(
                    path, 1, f"the type {quote(name, 60)} inherits from itself; expected a tree"
                )
            line.append(name)
            name = by_name[name].parent
        inherited = total.get(name, 0)
        for name in reversed(line):
            inherited += len(by_name[name].features) + 1
            total[name] = inherited
    if sum(total.values()) > MAX_FEATURES:
        raise CorpusFormatError(
            path,
            1,
            f"types with {sum(total.values())} features, with those that they inherit; expected "
            f"at most {MAX_FEATURES}",
        )

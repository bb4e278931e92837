"""Which of ADE-NEG's sentences belong to which part of ADE: no abstract is in two parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from joint_ner_re.corpora import ade_neg, ade_rel
from joint_ner_re.corpora.errors import PathLike
from joint_ner_re.corpora.files import read_head
from joint_ner_re.corpora.folds import shuffled


def abstracts_of(path: PathLike) -> dict[str, str]:
    """The PubMed id of each sentence's abstract, by the sentence's `id`, as `read_corpus` gives it.

    # Parameters

    path : `str`
        DRUG-AE.rel or ADE-NEG.txt.

    # Raises

    `CorpusFormatError`
        If the file is neither.
    """
    form = ade_neg if ade_neg.looks_like(read_head(path)) else ade_rel
    return form.abstracts(path)


def divide(
    negatives: Mapping[str, str],
    held_out: Mapping[str, Collection[str]],
    abstracts: Collection[str],
    seed: int = 0,
) -> dict[str, list[str]]:
    """Divide sentences without a relation as those with relations are divided.

    A sentence follows its abstract: into a part that is held out if that part has a sentence of
    the abstract, otherwise into the training part. Abstracts that have no sentence with a relation
    are drawn for the parts in the same proportions, so that each part has the mix of the corpus.

    # Parameters

    negatives : `Mapping[str, str]`
        The abstract of each sentence without a relation, by the sentence's id.
    held_out : `Mapping[str, Collection[str]]`
        Per part that is not trained on, the abstracts of its sentences with relations. An abstract
        in two of them counts for the first.
    abstracts : `Collection[str]`
        All abstracts that have a sentence with a relation.
    seed : `int`, optional (default = `0`)
        Another seed draws other abstracts.

    # Returns

    `dict[str, list[str]]`
        The ids of each part held out, in the order given, and of the rest under `"train"`.
    """
    part_of: dict[str, str] = {}
    others = shuffled(set(negatives.values()).difference(abstracts), seed)
    drawn = 0
    for part, names in held_out.items():
        own = set(names).difference(part_of)
        share = len(own) / len(abstracts) if abstracts else 0.0
        count = round(share * len(others))
        part_of.update(dict.fromkeys([*own, *others[drawn : drawn + count]], part))
        drawn += count
    parts: dict[str, list[str]] = {part: [] for part in (*held_out, "train")}
    for name, abstract in negatives.items():
        parts[part_of.get(abstract, "train")].append(name)
    return parts

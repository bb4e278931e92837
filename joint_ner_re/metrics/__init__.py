"""Scores predicted sentences against gold sentences; docs/evaluation.md has the rules.

`score` needs no model. `JointScore` and `WeightedMean` are AllenNLP metrics, which are imported
on first use.
"""

from typing import TYPE_CHECKING

from joint_ner_re.lazy import lazy_names
from joint_ner_re.metrics.score import CRITERIA, Scorer, score

if TYPE_CHECKING:
    from joint_ner_re.metrics.joint_score import JointScore as JointScore
    from joint_ner_re.metrics.weighted_mean import WeightedMean as WeightedMean

__getattr__, _lazy = lazy_names(
    __name__,
    {
        "JointScore": "joint_ner_re.metrics.joint_score",
        "WeightedMean": "joint_ner_re.metrics.weighted_mean",
    },
)

__all__ = ["CRITERIA", "Scorer", "score", *_lazy]

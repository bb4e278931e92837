"""Extensions of AllenNLP's training, in modules with AllenNLP's own names."""

from joint_ner_re.training import ranges  # noqa: F401  (registers the bounds)

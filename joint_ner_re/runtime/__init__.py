"""Runs exported models: numpy, onnxruntime, tokenizers and spaCy, and neither torch nor AllenNLP.

`allennlp export` writes a directory; `joint_ner_re.runtime.predictor.load_exported` loads it. It
computes what the archive's model computes, so that the answers are the same.
"""

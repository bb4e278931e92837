// CoNLL04, SpERT's split, with nothing pretrained. Dropout and rate are tuned on its dev part.
(import 'joint_ner_re.libsonnet') + (import 'conll04.libsonnet') + {
  dropout:: 0.5,
  epochs:: 30,
}

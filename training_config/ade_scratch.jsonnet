// Fold 0 of ADE with nothing pretrained. Dropout and rate are those of conll04_scratch.jsonnet.
(import 'joint_ner_re.libsonnet') + (import 'ade.libsonnet') + {
  dropout:: 0.5,
  epochs:: 12,
  batch_size:: 16,
}

// Fold 0 of ADE with nothing pretrained.
(import 'joint_ner_re.libsonnet') + (import 'ade.libsonnet')

// The paper's model on fold 0 of ADE: ELMo and GloVe. The paper's sizes and depths for ADE are
// not known; these are CoNLL04's.
(import 'paper.libsonnet') + (import 'ade.libsonnet')

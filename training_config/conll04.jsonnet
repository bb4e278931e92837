// The paper's model on CoNLL04, SpERT's split: ELMo and GloVe, with values known from reports on
// re-implementations. Where the paper gives no value (how to average the relation loss, the tag
// scheme), this is the usual choice of AllenNLP or PyTorch. See docs/model.md.
(import 'paper.libsonnet') + (import 'conll04.libsonnet')

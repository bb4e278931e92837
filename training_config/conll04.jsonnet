// The paper's model on CoNLL04, SpERT's split: ELMo and GloVe, and the values known from
// re-implementations' reports. What the paper leaves open (how the relation loss is averaged,
// the tag scheme) is AllenNLP's or PyTorch's usual choice. See docs/model.md.
(import 'paper.libsonnet') + (import 'conll04.libsonnet')

// The paper's model on CoNLL04, SpERT's split: ELMo and GloVe, and the values known from
// re-implementations' reports. What the paper leaves open (how the relation loss is averaged,
// the tag scheme) is AllenNLP's or PyTorch's usual choice. See docs/model.md.
local data = std.extVar('JOINT_NER_RE_DATA') + '/conll04/spert/';

(import 'paper.libsonnet') + {
  dataset_reader+: { type: 'conll04' },
  train_data_path: data + 'conll04_train.json',
  validation_data_path: data + 'conll04_dev.json',
}

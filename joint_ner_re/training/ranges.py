"""Bounds of AllenNLP's training options, which AllenNLP does not check."""

import math

from joint_ner_re.configuration import add_ranges

add_ranges(
    {
        "trainer.num_epochs": (1, 10**6),
        "trainer.patience": (1, 10**6),
        "trainer.grad_norm": (1e-12, math.inf),
        "trainer.num_gradient_accumulation_steps": (1, 10**6),
        "trainer.cuda_device": (-1, 10**3),
        # No upper bound: a rate that is too high shows in the loss.
        "trainer.optimizer.lr": (0, math.inf),
        "trainer.optimizer.weight_decay": (0, 1e6),
        "trainer.learning_rate_scheduler.warmup_steps": (0, 10**9),
        "data_loader.batch_size": (1, 10**6),
        "data_loader.batch_sampler.batch_size": (1, 10**6),
        "data_loader.num_workers": (0, 10**3),
        "validation_data_loader.batch_size": (1, 10**6),
        "validation_data_loader.num_workers": (0, 10**3),
    }
)

"""Data loader workers end, whatever the parent did with PyTorch before it forked them."""

import os

import pytest
from programs import printed

# The parent's threads are started before it forks; the worker then does work that PyTorch divides.
PROGRAM = """
from types import SimpleNamespace
import torch
from joint_ner_re.training import BalancedDataLoader

torch.set_num_threads(2)
torch.relu(torch.zeros(1_000_000))

class Instance(int):
    fields = {}

    def index_fields(self, vocab):
        pass

def read(path):
    return (Instance(torch.relu(torch.ones(1_000_000)).sum() + n) for n in range(4))

reader = SimpleNamespace(
    read=read, apply_token_indexers=lambda instance: None, _set_worker_info=lambda info: None
)
# With `None` the worker makes instances, with a number it makes batches.
for in_memory in (None, 2):
    loader = BalancedDataLoader(
        reader, "", batch_size=2, num_workers=1, max_instances_in_memory=in_memory, quiet=True,
        collate_fn=lambda items: int(torch.relu(torch.ones(1_000_000)).sum()) + sum(items),
    )
    loader.index_with(object())
    print(list(loader))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork with")
def test_a_worker_does_not_wait_for_threads_of_the_parent(root):
    found = printed("-c", PROGRAM, directory=root, variables={"OMP_NUM_THREADS": "2"})
    assert found == f"{[3_000_001, 3_000_005]}\n" * 2

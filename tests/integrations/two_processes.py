"""One of two processes of `test_two_processes`: FOLDER NAMED RANK."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch.distributed as dist

from tests.integrations.test_torchmetrics import CHEAP, ids, torch_order


def main() -> None:
    """Updates every second clip, all real ones in the first process, and writes the values."""
    folder, named, rank = Path(sys.argv[1]), sys.argv[2] == "1", int(sys.argv[3])
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    generated, real = np.load(folder / "generated.npy"), np.load(folder / "real.npy")
    for cls in CHEAP:
        metric = cls()
        mine = ids(len(generated))[rank::2] if named else None
        metric.update(torch_order(generated[rank::2].copy()), False, mine)
        if rank == 0:
            metric.update(torch_order(real), True, ids(len(real)) if named else None)
        value = metric.compute().item()
        assert metric.score().value == value
        (folder / f"{cls.__name__}-{rank}").write_text(repr(value))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

"""A training of two processes, one of which is asked to stop: `torchrun … -m tests.training.stopping RUN`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from synvid_eval.measurement import Quiet
from synvid_eval.training import engine
from synvid_eval.training.data import Batches
from synvid_eval.training.engine import Training
from synvid_eval.training.recipe import Optimization
from synvid_eval.training.run_folder import RunFolder
from tests.training.test_engine import Line, Ones


def main() -> None:
    """Writes `stopped-RANK` into RUN: the steps that were done when the process stopped."""
    out = Path(sys.argv[1])
    recipe = Optimization(batch=4, epochs=1, steps=1000, warmup=0, precision="fp32")
    task, done = Line(), 0
    training = Training(recipe, task, task, Batches(8, recipe.batch, 0, "x"), Ones())
    with engine.devices("cpu") as where:

        def after(step: int) -> None:
            nonlocal done
            done = step
            if step == 3 and where.rank == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        try:
            engine.train(RunFolder(out), training, where, Quiet(), after)
        except KeyboardInterrupt:
            (out / f"stopped-{where.rank}").write_text(str(done))


if __name__ == "__main__":
    main()

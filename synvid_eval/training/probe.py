"""Probes: what a frozen encoder tells of clips, by a small head that learns from its features.

A view's features are the mean over the encoder's last tokens and, of a transformer, a layer norm without
weights, as in the released linear probe, whose `fc_norm` is as it was drawn: ones and zeros. They are
computed once, for the views of all clips (see `views`), and kept in the run; heads learn from them alone.
Batch norms of an encoder keep the statistics that they have.

- `paper`: linear, AdamW at 1e-2 (Table 7 of Yu et al. 2024); what the table leaves open is as in `released`.
- `released`: linear, SGD at 0.1 with Nesterov's momentum 0.9 (SVR `LP.sh`, `run_linear_probe.py`, and what
  VideoMAE's `optim_factory.py` makes of `--opt sgd`): dropout, then batch norm without weights (ε 1e-6), then
  the linear layer; labels smoothed. As far as the released files tell, the script itself does not get there:
  `LP.sh` says `--enable_deepspeed`, and that path takes its optimizer from `create_ds_config` of `utils.py`,
  which writes AdamW with betas 0.9 and 0.999, so `--opt` and `--momentum` reach no optimizer.
- `knn`: nothing learns. The `neighbors` nearest training clips by cosine (features of a clip: the mean of
  those of its views) vote with exp(cosine / temperature), as in Caron et al. 2021; on small sets as many as
  a class has training clips, on average.
- `attentive`: one learned query attends to the last tokens, then a perceptron and a linear layer (one block
  of the attentive probe of Bardes et al. 2024); its numbers are ours.

What differs from the released code: it passes newly augmented clips through the encoder every epoch, mixed
and with drop path 0.2 in the frozen encoder. Here each epoch draws one of the clip's views, unmixed.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import knobs
from synvid_eval.archive import Damaged, pack, read, write_bytes
from synvid_eval.errors import UsageError
from synvid_eval.knobs import knob
from synvid_eval.networks import inputs, videomae
from synvid_eval.randomness import address
from synvid_eval.training import augment, engine, labelled, views
from synvid_eval.training.accuracy import Predictions
from synvid_eval.training.data import Item
from synvid_eval.training.labelled import Start, Viewed
from synvid_eval.training.recipe import CODE, OURS, Optimization, Recipes
from synvid_eval.training.run_folder import RunFolder

if TYPE_CHECKING:
    from torch import Tensor, nn

KIND = "probe"
FEATURES = "features"
PART = 64
"""Clips whose features stand in one file."""
MOST_BYTES = 8 * 2**30
"""Features of a set are kept in memory, so there must not be more."""
Features = NDArray[np.float32]

_VIEWS = ("backbone", "size", "head", "micro", "stride", "short", "segments", "crops")
"""Knobs that decide features, and what learns."""


@dataclass(frozen=True)
class Probing(Optimization):
    """Learning a head on frozen features."""

    head: str = knob("linear", "What learns.", choices=("linear", "attentive", "knn"), source=CODE)
    micro: int = knob(
        0,
        "Views that the encoder passes at once; 0: 16. A head passes its batch.",
        low=0,
        high=65536,
        recipe=False,
        source=OURS,
    )
    epochs: int = knob(100, "Times that all clips are seen.", low=1, high=1_000_000, source="released code")
    warmup: int = knob(5, "Epochs in which the learning rate grows.", low=0, high=1_000_000, source=CODE)
    lr: float = knob(
        1e-2, "Learning rate for 256 clips a step, after the warm-up.", low=0, high=100, source="Table 7"
    )
    last_lr: float = knob(0.0, "The same at the end.", low=0, high=100, source="released code")
    weight_decay: float = knob(0.0, "Of weights that are matrices.", low=0, high=10, source="released code")
    beta2: float = knob(0.999, "Of AdamW.", low=0, high=0.99999, source=CODE)
    stride: int = knob(
        4, "Frames from one of a clip to the next, as far as it is long enough.", low=1, high=256, source=CODE
    )
    short: int = knob(
        0,
        "Short side [px] that frames are brought to before all else; 0: none.",
        low=0,
        high=4096,
        source=OURS,
    )
    segments: int = knob(5, "Runs of frames of a clip.", low=1, high=100, source="released code")
    crops: int = knob(3, "Squares of a clip's frames.", low=1, high=100, source="released code")
    smoothing: float = knob(0.1, "Of labels.", low=0, high=1, source="released code")
    dropout: float = knob(0.5, "Share of features dropped while learning.", low=0, high=0.99, source=CODE)
    neighbors: int = knob(
        20, "Training clips that vote, for knn.", low=1, high=100_000, source="Caron et al. 2021"
    )
    temperature: float = knob(0.07, "Of their votes.", low=1e-3, high=100, source="Caron et al. 2021")
    heads: int = knob(0, "Of attention, for attentive; 0: the encoder's.", low=0, high=128, source=OURS)


PAPER = Probing()
SCRIPT = f"{CODE}, whose --opt sgd reaches no optimizer under its --enable_deepspeed"

PROBING = Recipes(
    {
        "paper": PAPER,
        "released": dataclasses.replace(PAPER, optimizer="sgd", lr=0.1, nesterov=True),
        "knn": dataclasses.replace(PAPER, head="knn"),
        "attentive": dataclasses.replace(
            PAPER,
            head="attentive",
            batch=32,
            epochs=20,
            warmup=1,
            lr=8e-3,
            weight_decay=0.05,
            smoothing=0.0,
            dropout=0.0,
        ),
    },
    sources={"released": SCRIPT, "knn": "Caron et al. 2021", "attentive": OURS},
)
"""Recipes of probes, by name."""


def protocol(of: Probing) -> str:
    """What a table of accuracies calls a probe; `linear_probe` as in the published one."""
    return of.head if of.head == "knn" else f"{of.head}_probe"


# -- features --------------------------------------------------------------------------------------


def encoder(begin: Start, seed: int) -> nn.Module:
    """The frozen encoder, in eval mode, without what belongs to pre-training alone: clips → tokens."""
    return begin.into(begin.architecture.trunk(seed)).requires_grad_(False)


def features(
    folder: Path,
    made: Viewed,
    run: Callable[[Tensor], Tensor],
    at_once: int,
    workers: int,
    say: Callable[[int], None],
) -> Features:
    """Features of all views of all clips, float32 [clips, views, …]: from a folder as far as it has them,
    else computed and put there, PART clips a file. say: hears of clips that are done.
    """
    folder.mkdir(exist_ok=True)
    whole: Features | None = None
    for begin in range(0, len(made.files), PART):
        end = min(begin + PART, len(made.files))
        path = folder / f"clips-{begin:06d}.safetensors"
        try:
            part = read(path)[0]["features"]
        except (OSError, Damaged, KeyError):
            each = labelled.each_view(made, range(begin, end), run, at_once, workers)
            part = np.stack(list(each))
            write_bytes(path, pack({"features": part}, {}))
        if whole is None:  # once: as much again while parts are joined may not fit
            whole = np.empty((len(made.files), *part.shape[1:]), np.float32)
        whole[begin:end] = part
        say(end - begin)
    assert whole is not None  # a split has clips
    return whole


# -- heads -----------------------------------------------------------------------------------------


def linear(width: int, classes: int, dropout: float, seed: int) -> nn.Module:
    """Dropout, batch norm without weights, a linear layer: features [B, width] → logits [B, classes]."""
    from torch import nn

    head = nn.Sequential(
        nn.Dropout(dropout), nn.BatchNorm1d(width, affine=False, eps=1e-6), nn.Linear(width, classes)
    )
    videomae.draw(head, seed, glorot=False)
    last: Any = head[2]
    last.weight.data.mul_(0.001)
    return head


def attentive(width: int, classes: int, heads: int, dropout: float, seed: int) -> nn.Module:
    """A learned query that attends to tokens: [B, tokens, width] → logits [B, classes]."""
    import torch
    from torch import nn

    class Attentive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Parameter(torch.zeros(1, 1, width))
            self.before = nn.LayerNorm(width)
            self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
            self.between = nn.LayerNorm(width)
            self.perceptron = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )
            self.dropout = nn.Dropout(dropout)
            self.classifier = nn.Linear(width, classes)

        def forward(self, tokens: Tensor) -> Tensor:
            normed = self.before(tokens)
            query = self.query.expand(len(tokens), -1, -1)
            query = query + self.attention(query, normed, normed, need_weights=False)[0]
            query = query + self.perceptron(self.between(query))
            logits: Tensor = self.classifier(self.dropout(query[:, 0]))
            return logits

    head = Attentive()
    videomae.draw(head, seed, glorot=False)
    return head


def knn(
    bank: Features, labels: Sequence[int], queries: Features, classes: int, neighbors: int, temperature: float
) -> NDArray[np.float64]:
    """Votes of the nearest of a bank [n, width] for each query [m, width]: float64 [m, classes], sum 1.

    neighbors: how many vote, all where there are fewer; of equally near ones the first of the bank.
    """
    unit_bank, unit_queries = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in map(np.float64, (bank, queries))
    )
    cosines = unit_queries @ unit_bank.T
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : min(neighbors, len(bank))]
    near = np.take_along_axis(cosines, nearest, axis=1)
    weights = np.exp((near - near[:, :1]) / temperature)
    votes = np.zeros((len(queries), classes))
    np.add.at(votes, (np.arange(len(queries))[:, None], np.asarray(labels)[nearest]), weights)
    found: NDArray[np.float64] = votes / votes.sum(axis=1, keepdims=True)
    return found


@dataclass(frozen=True)
class DrawnViews:
    """(epoch, place in `indices`) → features of one of a clip's views, and its label."""

    features: Features
    ids: tuple[str, ...]
    indices: tuple[int, ...]
    labels: tuple[int, ...]
    seed: int

    def __call__(self, item: Item) -> dict[str, Any]:
        epoch, place = item
        index = self.indices[place]
        key = address("synvid_eval.training.probe", self.seed, self.ids[index], epoch)
        view = (key * self.features.shape[1]) >> 64
        return {"features": self.features[index, view], "label": np.int64(self.labels[index])}


def task(head: Any, classes: int, smoothing: float) -> nn.Module:
    """The module that turns a batch of `DrawnViews` into its loss."""
    import torch
    from torch import nn

    class Classification(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = head

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            targets = augment.smoothed(batch["label"], classes, smoothing)
            logits = self.head(batch["features"]).float()
            loss: Tensor = torch.nn.functional.cross_entropy(logits, targets)
            return loss

    return Classification()


def _smaller_batch(batch: int, goes_on: bool) -> str:
    """What to try where a head's step is too much for a device's memory (see `engine.Cure`)."""
    return f"Take a smaller batch: --set batch={max(1, batch // 2)}, which learns otherwise."


# -- a run -----------------------------------------------------------------------------------------


class PlannedProbe(labelled.PlannedFolds):
    """A probe on each fold of a split; features are computed once for all of them."""

    kind = KIND
    of: Probing
    _features: Features | None = None

    @staticmethod
    def idle(of: Probing) -> dict[str, str]:
        """See `labelled.PlannedFolds.idle`."""
        if of.head == "knn":
            meant = {*_VIEWS, "neighbors", "temperature"}
        else:
            meant = {*knobs.names(of)} - {"layer_decay", "neighbors", "temperature"}
            meant -= {"heads"} if of.head == "linear" else set()
        return {name: f"head={of.head}" for name in knobs.names(of) if name not in meant}

    @staticmethod
    def check(of: Probing) -> None:
        """See `labelled.PlannedFolds.check`: a linear head that is to learn from one clip at a time."""
        if of.head == "linear" and of.batch == 1:
            raise UsageError(
                "batch=1 is too little for a linear head: its batch norm needs two clips.",
                "Give --set batch=2 or more, or --set head=knn.",
            )

    def trained(self, folder: RunFolder, number: int, where: engine.Devices) -> Predictions | None:
        """See `labelled.PlannedFolds.trained`."""
        if where.world > 1:
            raise UsageError("A probe is trained by one process.", "Leave torchrun away.")
        whole = self._all(folder, where.device)
        fold, classes = self.on.split.folds[number], len(self.on.split.classes)
        train, test = self.on.indices(fold.train), self.on.indices(fold.test)
        labels = self.on.labels
        if self.of.head == "knn":
            means = whole.mean(axis=1)
            near = min(self.of.neighbors, max(1, len(train) // classes))
            of_train = [labels[i] for i in train]
            scores = knn(means[list(train)], of_train, means[list(test)], classes, near, self.of.temperature)
            return self.predictions(number, list(scores))
        head = self.head(whole.shape[-1])
        made = DrawnViews(whole, tuple(self.on.files.videos.ids), train, labels, self.options.seed)
        of = dataclasses.replace(self.of, micro=0)  # which is the encoder's
        training = engine.Training(
            of, head, task(head, classes, of.smoothing), self.batches(number), made, cure=_smaller_batch
        )
        engine.train(folder, training, where, self.options.progress)
        return self.predictions(number, [self._scores(head, whole[i], where.device) for i in test])

    def tried(self, where: engine.Devices) -> tuple[engine.Tried | None, float]:
        """See `labelled.PlannedFolds.tried`: a head's steps take no time beside a clip's views."""
        made, run = self._viewed(where.device)
        list(labelled.each_view(made, [0], run, self._at_once, self.loaders))
        began = time.perf_counter()
        list(labelled.each_view(made, [0], run, self._at_once, self.loaders))
        return None, time.perf_counter() - began

    def looked(self) -> int:
        """See `labelled.PlannedFolds.looked`: once for all folds."""
        return len(self.on.files)

    @property
    def _at_once(self) -> int:
        """Views that the encoder passes at once."""
        return self.of.micro or 16

    def _cure(self) -> str:
        """What to try where these are too many for a device's memory."""
        if self._at_once == 1:
            return self.smaller()
        fewer = engine.divisor(self.of.batch, self._at_once // 2)
        return f"Try --set micro={fewer}: the same features, from fewer views at once."

    def _viewed(self, device: str) -> tuple[Viewed, Callable[[Tensor], Tensor]]:
        """(clip → views, views → features)."""
        architecture, of = self.begin.architecture, self.of
        module = encoder(self.begin, self.options.seed).to(device)

        def run(frames: Tensor) -> Tensor:
            last: Tensor = module(inputs.normalized(frames.to(device)))
            return last if of.head == "attentive" else architecture.pooled(last)

        return Viewed(self.on.files, architecture.frames, architecture.image, of.segments, of.crops), run

    def head(self, width: int) -> nn.Module:
        """The head as it begins, for features of that width."""
        classes, seed = len(self.on.split.classes), self.options.seed
        if self.of.head == "linear":
            return linear(width, classes, self.of.dropout, seed)
        heads = self.of.heads or self.begin.architecture.heads
        if width % heads:
            raise UsageError(f"heads={heads} does not divide the width {width}.", "Give a divisor.")
        return attentive(width, classes, heads, self.of.dropout, seed)

    def _scores(self, head: nn.Module, clip: Features, device: str) -> NDArray[np.float64]:
        import torch

        head.eval()
        with torch.inference_mode():
            return views.averaged(head(torch.from_numpy(clip).to(device)).float().cpu().numpy())

    def _all(self, folder: RunFolder, device: str) -> Features:
        """Features of all clips, kept beside the folds."""
        if self._features is not None:
            return self._features
        architecture, of = self.begin.architecture, self.of
        size = 4 * len(self.on.files) * of.segments * of.crops * architecture.width
        size *= architecture.tokens if of.head == "attentive" else 1
        if size > MOST_BYTES:
            raise UsageError(
                f"The features of {self.on.files.name} take {size / 2**30:.0f} GiB.",
                "Look at fewer views: --set segments=1 --set crops=1; attentive keeps all tokens of each.",
            )
        made, run = self._viewed(device)
        progress = self.options.progress
        progress.begin(f"{self.on.files.name}: features", len(made.files))
        place = folder.path.parent if len(self.on.split.folds) > 1 else folder.path
        with engine.enough_memory(self._at_once, "view", device, self._cure()):
            self._features = features(
                place / FEATURES,
                made,
                run,
                self._at_once,
                self.loaders,
                lambda n: progress.advance(n, cached=False),
            )
        return self._features

# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a preset to an accuracy, and to what a network attends to
#
# A video transformer, small enough for a laptop, is pre-trained on clips that are drawn on the way; a probe
# says how well its features tell classes apart; the components of its keys are painted on frames. It needs
# `pip install ".[train]"`. Forty steps teach a network little: this shows the way, and is no result.

# %%
import matplotlib.pyplot as plt
import pandas as pd

from synvid_eval import attention
from synvid_eval.cli import run
from synvid_eval.measurement import Options

small = ["network.image=32", "network.patch=4", "network.width=48", "network.depth=2", "network.heads=3"]
changed = [word for setting in small for word in ("--set", setting)]
tiny = ["--recipe", "tiny", "--steps", "40", *changed]
run(["train", "pretrain", "moving_shapes", *tiny, "--out", "run", "-q"])
log = pd.read_csv("run/log.csv")
log.plot(x="step", y="loss", figsize=(6, 3), grid=True)

# %% [markdown]
# Labelled clips: here classes of fractals, otherwise a folder of real ones. Folds never divide a source of
# clips, and the accuracy says how sure it is.

# %%
three = ["--classes", "3", "--per-class", "6", "--format", "npz", "--set", "size=48"]
run(["generate", "fractal_supervised_250", "labelled", *three, "-q"])
how = ["--split", "kfold:3", "--recipe", "knn", "--set", "segments=1", "--set", "crops=1", "-q"]
csv = ["--csv", "accuracies.csv"]
run(["train", "probe", "run", "labelled", *how, *csv, "--out", "probed"])
drawn = ["--set", "size=tiny", *changed]
run(["train", "probe", "scratch", "labelled", *how, *csv, *drawn, "--out", "probed-scratch"])
pd.read_csv("accuracies.csv")[["dataset", "protocol", "accuracy", "note"]]

# %% [markdown]
# What the network attends to: equal colors are equal values of the first three components of its keys.

# %%
asked = attention.Asked(clips=3, frames=8)
location = "preset:moving_circles?n=3&size=64&length=40&objects=20"
seen = attention.look(location, ["run"], asked, Options(workers=1), device="cpu")
figure, axes = plt.subplots(len(seen.clips), 4, figsize=(8, 6))
for row, clip in zip(axes, seen.painted[0].maps, strict=True):
    for axis, picture in zip(row, clip, strict=True):
        axis.imshow(picture)
        axis.set_axis_off()
[round(share, 2) for share in seen.document["checkpoints"][0]["explained"]]

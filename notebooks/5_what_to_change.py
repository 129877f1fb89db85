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
# # What to change in a generator
#
# First what two knobs of a preset do to the metrics, measured; then a search that brings its colors nearer
# to a reference. It needs `pip install ".[guide]"`. The reference stands in for real video: the eight
# photographs of scikit-image under a moving camera. Settings are small, so that this runs in two minutes.

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from synvid_eval.cli import run

preset, reference = "moving_circles?size=64&length=61", "preset:photo_camera?n=32&length=61"
how = ["--clips", "24", "--workers", "1", "-q"]
run(["guide", "sensitivity", preset, reference, "--knobs", "speed,objects", *how])

# %% [markdown]
# A search sees half of the reference. What it found is measured again on other clips, against the other half:
# that ratio is what to believe.

# %%
search = ["--minimize", "color", "--budget", "16", "--out", "best.toml", "--json", "best.json"]
run(["guide", "search", preset, reference, *search, *how])
found = json.loads(Path("best.json").read_text())
print(Path("best.toml").read_text())
pd.DataFrame(found["gain"]["metrics"])[["metric", "minimized", "start", "found", "ratio"]]

# %%
trials = pd.DataFrame([t["objectives"] for t in found["trials"]])
axes = trials.cummin().plot(logy=True, figsize=(6, 3), grid=True, xlabel="trial", ylabel="color (nats)")
axes.plot(trials["color"], ".", color="gray")
axes.axhline(found["start"]["color"]["objective"], linestyle=":")
plt.show()

# %% [markdown]
# The file is a preset like any other: it can be drawn, measured, shown, trained on, searched from again.

# %%
run(["compare", "preset:best.toml?n=24", reference, "--metrics", "color,motion", "--cache", "none", "-q"])

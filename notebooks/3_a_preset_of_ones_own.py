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
# # A preset of one's own
#
# A preset file says what differs from its parent. Every knob has a type, a range and a unit; a misspelt one
# is answered with the nearest.

# %%
from pathlib import Path

import matplotlib.pyplot as plt

import synvid_eval
from synvid_eval.generators import Clips

Path("fast_few.toml").write_text(
    'name = "fast_few"\nextends = "moving_shapes"\nnote = "Few shapes that move fast."\n\n'
    '[knobs]\nobjects = "60"\nspeed = "4:9"\n'
)

# %%
clips = Clips("fast_few.toml", 8)
frames = clips[3]  # uint8 [16, 3, H, W]
figure, axes = plt.subplots(1, 4, figsize=(12, 3))
for axis, frame in zip(axes, frames[::4], strict=True):
    axis.imshow(frame.permute(1, 2, 0))
    axis.set_axis_off()

# %% [markdown]
# What it changed, measured beside its parent. No file is written.

# %%
sets = ["preset:moving_shapes?n=24", "preset:fast_few.toml?n=24"]
result = synvid_eval.compare(sets, "preset:photo_camera?n=24", metrics=["motion", "tubelet"])
result.to_frame()[["candidate", "metric", "value", "reference"]]

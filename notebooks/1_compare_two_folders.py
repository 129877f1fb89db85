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
# # Compare two folders of videos
#
# Two small sets are drawn into folders, as if you had them already, and compared with a stand-in for real
# video (photographs under a moving camera). Put your own folders in their place.

# %%
import synvid_eval
from synvid_eval import generation
from synvid_eval.measurement import Options

for name in ("moving_circles", "acc_transforming_shapes"):
    generation.make(generation.plan(name, clips=24), name, Options())

# %%
sets = ["circles=moving_circles/clips", "shapes=acc_transforming_shapes/clips"]
result = synvid_eval.compare(sets, "preset:photo_camera?n=24")
result.to_frame()[["candidate", "metric", "value", "low", "high", "reason", "interval_reason"]]

# %% [markdown]
# Each number says what it is of, how sure it is, or why it has no interval. `synvid_eval.write_page` makes
# the page that `compare --html` writes.

# %%
synvid_eval.write_page(result, "report.html")

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
# # Which measurement goes with accuracy
#
# Six published sets are drawn and measured, and joined with the fine-tune accuracies of Yu et al. 2024. Six
# sets of three families carry next to nothing, and the output says so: what `reports/progression/` does
# with all of them takes an hour.

# %%
import pandas

import synvid_eval
from synvid_eval.report import correlation as page

names = [
    "static_circles",
    "moving_circles",
    "moving_shapes",
    "acc_transforming_shapes",
    "slow_moving_circles",
]
sets = [f"preset:{name}?n=16" for name in [*names, "dynamic_stylegan_videos"]]
result = synvid_eval.compare(sets, "preset:photo_camera?n=24", metrics=["color", "motion", "tubelet"])

# %%
found = synvid_eval.correlate(result, "published:yu2024", benchmark="UCF101", protocol="finetune")
print(found["headline"])
for note in found["notes"]:
    print("-", note)

# %% [markdown]
# To read a row: `rho` with its interval, `p` with the accuracies of families exchanged, `p_best` for having
# looked at several metrics, and the verdict, which follows fixed rules (`docs/correlate.md`).

# %%
pandas.DataFrame(
    {
        "metric": [m["metric"] for m in found["metrics"]],
        "rho": [m["spearman"]["value"] for m in found["metrics"]],
        "interval": [m["spearman"]["interval"] for m in found["metrics"]],
        "p": [m["spearman"]["p"] for m in found["metrics"]],
        "p_best": [m["p_best"] for m in found["metrics"]],
        "verdict": [m["verdict"] for m in found["metrics"]],
    }
)

# %%
page.write_page(found, "correlation.html")

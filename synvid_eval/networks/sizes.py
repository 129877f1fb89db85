"""Sizes of what networks take and give, for those that must know them without loading torch."""

SIDES = {"inception": 299, "i3d": 224}
"""Network → height and width of its input, pixels."""

FEATURES = {"inception": 2048, "i3d": 400}
"""Network → values in a row."""

ENCODER = "run"
"""What the encoder of a training is called as a network: it may be any, so its sizes are its own."""

LEAST_FRAMES = 9
"""Frames of a clip that I3D needs: fewer leave one value in time before its 2×7×7 average pool."""

"""What to change in a generator: how measurements answer to its knobs, advice, and a search over them.

`space` says what of a preset can be set, `bench` measures settings with the same random numbers,
`sensitivity` and `advice` say what a knob does and which is worth trying, `search` looks for better values,
and `gain` measures what was found again, on clips and a part of the reference that were never looked at.
"""

"""Videos in: which clips a location holds (layouts), when a clip is looked at (sampling), its frames
(decoding).
"""

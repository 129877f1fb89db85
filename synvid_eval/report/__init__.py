"""Data → one self-contained HTML file. Pages import nothing that measures: all they show is in the JSON."""

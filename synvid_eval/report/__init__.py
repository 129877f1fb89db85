"""Data → one self-contained HTML file. Pages import nothing that measures: what they show stands in the JSON."""

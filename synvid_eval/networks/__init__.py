"""Networks: their graphs, their weights (found, verified, fetched), and random ones for tests and dry runs.

Nothing here is imported unless a network is run; torch is imported by the modules that need it.
"""

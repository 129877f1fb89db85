"""Jobs for clusters: a command of this package in n parts, as a script or manifest that is ready to submit.

`job` says what is run and with what; `slurm`, `kubernetes` and `ray` write it down, from the templates beside
them. Nothing is submitted and nothing is asked of a cluster.
"""

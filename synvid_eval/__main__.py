"""`python -m synvid_eval` is the `synvid-eval` command."""

from synvid_eval.cli import main

main()

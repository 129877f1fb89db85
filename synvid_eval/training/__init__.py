"""Training: pre-training on drawn or real clips, fine-tuning and probing on labelled ones.

What is trained and by which loss is a module each (`pretrain`, `finetune`, `probe`); steps, checkpoints,
logs, going on after a kill, precision and processes are the same for all of them (`engine`, `run_folder`).
"""

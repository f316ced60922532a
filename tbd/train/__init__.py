"""The two-stage trainer: cached inputs, stages, the loop, checkpoints."""

"""What is scored against what: run folders, ground truth, pairs, streams of frames, the plan."""

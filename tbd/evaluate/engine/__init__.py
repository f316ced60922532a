"""One decode of every clip for all metrics: scheduler, workers, the cache of scores, baselines."""

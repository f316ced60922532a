"""Several results in one table: only what can be compared, tested clip by clip, next to the paper's rows."""

"""One file a metric: definition, units, direction, source; validation; the pure function; the accumulator."""

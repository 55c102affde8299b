"""Everything past the decision: each sink hangs off the fan-out and can delay nothing."""

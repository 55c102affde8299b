"""What is missing of the telemetry: since when, why, and how much."""

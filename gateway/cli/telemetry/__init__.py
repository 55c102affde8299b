"""`telemetry`: how it goes north, what was lost on the way, and what is kept."""

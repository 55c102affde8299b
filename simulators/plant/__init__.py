"""What stands on the estate: water, lifts, barriers and a fire line, as physics without a wire."""

"""Fire alarm panels."""

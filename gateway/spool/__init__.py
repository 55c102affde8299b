"""spool.db: telemetry on its way, and for a while after it has arrived."""

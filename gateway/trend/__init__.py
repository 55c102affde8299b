"""trend.db: what the charts are drawn from."""

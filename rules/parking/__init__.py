"""Access, lanes, occupancy and tariff."""

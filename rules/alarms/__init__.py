"""Conditions, the life cycle of an alarm, interlock and maintenance."""

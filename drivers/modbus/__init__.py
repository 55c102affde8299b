"""Modbus RTU and TCP."""

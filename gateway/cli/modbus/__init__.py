"""`modbus`: what whoever puts a bus into service would otherwise install another program for."""

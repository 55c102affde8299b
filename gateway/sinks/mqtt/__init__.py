"""MQTT brokers: one connection for every payload, and the JSON topics of our own."""

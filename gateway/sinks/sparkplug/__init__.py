"""Sparkplug B: the site as an edge node of an MQTT broker, its devices as the node's devices.

Everything here follows the Eclipse Sparkplug Specification 3.0.0 (Eclipse Foundation, 2022). What it requires
is cited by its own ids, such as [tck-id-payloads-ddata-qos].
"""

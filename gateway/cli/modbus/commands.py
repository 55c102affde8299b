"""The commands of `modbus` by name."""

import typer

from sitewarden.gateway.cli.modbus.monitor import monitor
from sitewarden.gateway.cli.modbus.profile import profile
from sitewarden.gateway.cli.modbus.read import read
from sitewarden.gateway.cli.modbus.scan import scan
from sitewarden.gateway.cli.modbus.write import write

modbus = typer.Typer(
    help="""Put a bus into service: find its units, read, write, listen, look a device up.

    LINK is a link of the configuration, or a port: /dev/ttyUSB0, tcp://10.0.0.7:502. The running gateway
    keeps its serial ports to itself: stop it first, or ask it (sitewarden status).

    \b
    sitewarden modbus scan /dev/ttyUSB0 --units 1-32
    sitewarden modbus read /dev/ttyUSB0 11 holding 300 4 --baud 9600 --parity even
    sitewarden modbus monitor /dev/ttyUSB0 --baud 9600 --parity even
    """
)
modbus.command()(scan)
modbus.command()(read)
modbus.command()(write)
modbus.command()(monitor)
modbus.command()(profile)

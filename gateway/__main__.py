"""`python -m sitewarden.gateway` is `sitewarden`."""

import sys

from sitewarden.gateway.cli.main import main

sys.exit(main())

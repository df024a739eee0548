"""`python -m acceptance COMMAND`: the commands of `acceptance.cli`."""

import sys

from acceptance.cli.commands import main

sys.exit(main())

"""`python -m veriscope` is the command `veriscope`."""

import sys

from veriscope.cli import main

if __name__ == "__main__":
    sys.exit(main())

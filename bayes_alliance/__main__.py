"""``python -m bayes_alliance``: the command line, where the installed script is not on the path."""

import sys

from bayes_alliance.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

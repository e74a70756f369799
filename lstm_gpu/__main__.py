"""`python -m lstm_gpu`: see cli.py."""

import sys

from lstm_gpu.cli import main

if __name__ == "__main__":
    sys.exit(main())

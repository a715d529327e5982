"""Starts one of the two programs from the folder beside this file, and from no other."""

import sys
from importlib import import_module

sys.path.insert(0, f"{__file__.rpartition('/')[0]}/vendor")
sys.argv[0] = sys.argv.pop(1)
sys.exit(import_module(f"srcroutd.cli.{sys.argv[0]}").main())

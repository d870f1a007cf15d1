"""Run as `python -m backstay`."""

from backstay.cli.main import main

main()

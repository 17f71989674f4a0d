"""Several of the operator's commands in one process, each as ``scripts/admin`` would run it: starting is what costs."""

import json
import sys

from app.admin.commands import app

if __name__ == "__main__":
    for command in json.loads(sys.argv[1]):
        app(args=command, prog_name="scripts/admin", standalone_mode=False)

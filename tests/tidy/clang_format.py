#!/usr/bin/env python3
"""Every C++ file is as clang-format leaves it."""

import subprocess
import sys

from tidy import ROOT, require
from tree import CODE, Tree


def main():
    require("clang-format")
    files = Tree(ROOT).ending(*CODE)
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], cwd=ROOT)
    print(f"{len(files)} files looked at; `clang-format -i <file>` mends one")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Lint as a test: what design and conventions ask of the tree and a compiler does not check."""

import os
import pathlib
import shutil
import sys

from rules import RULES
from tree import Tree

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77


def require(program):
    """Without it the test is skipped on a developer's machine and failed with CI=true."""
    if shutil.which(program) is None:
        print(f"{program} is not installed")
        sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def main():
    tree = Tree(sys.argv[1] if len(sys.argv) > 1 else ROOT)
    findings = sorted(finding for rule in RULES for finding in rule(tree))
    for path, line, what in findings:
        print(f"{path}:{line}: {what}")
    print(f"{len(findings)} finding(s) in {len(tree.files)} files by {len(RULES)} rules")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

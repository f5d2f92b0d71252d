#!/usr/bin/env python3
"""Runs a JavaScript client test against the server, and restarts the server when the test asks."""

import os
import pathlib
import subprocess
import sys

import harness


def main():
    arguments = harness.parser(__doc__)
    arguments.add_argument("script", help="the test, in this folder")
    arguments.add_argument("package", help="the client package it needs")
    options = arguments.parse_args()
    harness.require_program("node")
    modules = os.environ.get(
        "KVORUM_NODE_MODULES", str(harness.ROOT / "build/clients/node_modules")
    )
    if not os.path.isdir(os.path.join(modules, options.package)):
        harness.missing(options.package)
    with harness.running(options.server) as server:
        script = pathlib.Path(__file__).with_name(options.script)
        node = subprocess.Popen(
            ["node", str(script), options.package],
            text=True,
            bufsize=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=harness.die_with_parent,
            env={**os.environ, "NODE_PATH": modules, "KVORUM_PORT": str(server.port)},
        )
        for line in node.stdout:
            if line.strip() == "@restart":
                server.restart()
                node.stdin.write("restarted\n")
            else:
                print(line, end="", flush=True)
        return node.wait()


if __name__ == "__main__":
    sys.exit(main())

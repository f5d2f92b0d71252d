#!/usr/bin/env python3
"""clang-tidy over the sources a build tree compiles: those changed last come first, and no new file
is begun once $KVORUM_TIDY_SECONDS (default 150) are over, so that the test has a known length."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

from tidy import ROOT, require


def compiled(build):
    """The sources in the build tree's compile_commands.json, relative to the top."""
    commands = json.loads((build / "compile_commands.json").read_text())
    files = (pathlib.Path(command["file"]) for command in commands)
    return {file.relative_to(ROOT).as_posix() for file in files if file.is_relative_to(ROOT)}


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


# Tests are held to the compilers' warnings and to tidy.rules.
PRODUCT = ("src/", "raft/", "resp/", "storage/", "config/")


def newest_first(sources):
    """By the last commit that touched a source or its header; what is not committed is newest."""
    touched = [line[3:] for line in git("status", "--porcelain", "--untracked-files=all")]
    touched += git("log", "--name-only", "--format=", "-n", "200")
    stems = [path.rsplit(".", 1)[0] for path in touched if path.endswith((".cc", ".h"))]
    age = {stem: number for number, stem in reversed(list(enumerate(stems)))}
    return sorted(
        sources, key=lambda source: (age.get(source.removesuffix(".cc"), len(stems)), source)
    )


def check(build, source):
    return source, subprocess.run(
        ["clang-tidy", "--quiet", "-p", str(build), source],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def main():
    require("clang-tidy")
    build = pathlib.Path(sys.argv[1]).resolve()
    deadline = time.monotonic() + float(os.environ.get("KVORUM_TIDY_SECONDS", "150"))
    sources = newest_first(source for source in compiled(build) if source.startswith(PRODUCT))
    failed, left = 0, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:

        def work(source):
            return (source, None) if time.monotonic() > deadline else check(build, source)

        for source, done in pool.map(work, sources):
            if done is None:
                left.append(source)
            elif done.returncode != 0:
                failed += 1
                print(done.stdout, flush=True)
    print(f"{len(sources) - len(left)} sources looked at, {failed} with findings")
    if left:
        print(f"no time for {len(left)} that changed longest ago: {' '.join(left)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

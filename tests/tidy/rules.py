"""The rules of the tree. A rule takes a Tree and yields findings: (path, line, what is wrong)."""

import re
import subprocess
from fnmatch import fnmatch

from tree import CODE, SCRIPT_ENDINGS, functions

FILE_LINES_MAX = 600
LINE_COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 80
OPENING_COMMENT_LINES_MAX = 8

# A module's folder, and what its files may include beside their own module.
MODULES = {
    "src/base": [],
    "config": ["src/base"],
    "resp": ["src/base"],
    "raft": ["src/base"],
    "storage": ["src/base", "raft/types.h"],
    "src/net": ["src/base"],
    "src/command": ["src/base", "resp", "storage", "raft/types.h"],
    "src/peer": ["src/base", "raft", "storage", "src/net"],
    "src/server": [
        "src/base",
        "config",
        "resp",
        "raft",
        "storage",
        "src/net",
        "src/command",
        "src/peer",
    ],
    "src/main.cc": ["src/base", "config", "src/server"],
}
EVERYTHING = [*MODULES, "tests", "benchmarks"]
INCLUDED_AS = {folder.removeprefix("src/"): folder for folder in EVERYTHING}

# A library, how code names it, and the one module that may (its tests and benchmarks may too).
LIBRARIES = [
    (
        "libevent",
        re.compile(r"<event2?[./]|\b(evbuffer|bufferevent|evconnlistener|event_base)\w*"),
        "src/net",
    ),
    ("WiredTiger", re.compile(r"<wiredtiger|\bWT_\w+|\bwiredtiger_\w+"), "storage"),
    ("hiredis", re.compile(r"<hiredis/|\bredis(Reader|Context|Format)\w*"), "src/peer"),
    ("yaml-cpp", re.compile(r"<yaml-cpp/|\bYAML::"), "config"),
]

MUTEX = re.compile(
    r"\bstd::(\w*mutex|condition_variable\w*|\w+_lock|lock_guard)\b|\bpthread_mutex_"
)
MUTEX_HOLDERS = {  # path: why it may
    "storage/store.cc": "checkpoints, backups and exchanges of the engine: one at a time",
    "src/base/mailbox.h": "all hand-over between threads goes through it",
    "config/runtime_settings.h": "any thread may change a setting; readers copy one pointer",
    "config/runtime_settings.cc": "any thread may change a setting; readers copy one pointer",
}

# Replicas must compute the same from the same log: no clock, no randomness of their own.
DETERMINISTIC = ("raft/", "src/command/")
CHANCE = re.compile(
    r"\bstd::s?rand\b|(?<![\w.>:])s?rand\(|(?<![\w.>])(std::|::)?time\((?!\))"
    r"|\b(system_clock|steady_clock|high_resolution_clock|random_device)\b"
    r"|\b(clock_gettime|gettimeofday|getrandom|arc4random)\b|\bstd::this_thread\b"
)
CORE_OUTSIDE = re.compile(
    r"<(thread|mutex|fstream|iostream|filesystem|sys/socket\.h|unistd\.h)>|spdlog"
)

OPEN_WORK = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
TOP_LEVEL = {
    "CMakeLists.txt",
    "CMakePresets.json",
    "README.md",
    "LICENSE",
    "src",
    "raft",
    "resp",
    "storage",
    "config",
    "tests",
    "tools",
    "benchmarks",
}

RULES = []


def rule(function):
    RULES.append(function)
    return function


def module_of(path):
    return next(
        (folder for folder in EVERYTHING if path == folder or path.startswith(folder + "/")), None
    )


def production(tree):
    return [path for path in tree.ending(*CODE) if not path.startswith(("tests/", "benchmarks/"))]


@rule
def include_arrows(tree):
    """design: which module may include what; nothing but its composition includes src/server."""
    for path in tree.ending(*CODE):
        own = module_of(path)
        for number, line in tree.lines(path):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            folder = INCLUDED_AS.get(match[1].split("/")[0]) if "/" in match[1] else None
            if own == "tests" and f"{path.rsplit('/', 1)[0]}/{match[1]}" in tree.files:
                continue  # a test's own helper beside it
            if folder is None:
                yield path, number, f'"{match[1]}" does not begin with the name of a module'
            elif own == "benchmarks" and folder == "src/server":
                yield path, number, "benchmarks do not include src/server"
            elif own in MODULES and folder != own:
                full = folder + match[1][match[1].index("/") :]
                if folder not in MODULES[own] and full not in MODULES[own]:
                    yield path, number, f"{own} must not include {full}"


@rule
def libraries_stay_in_their_module(tree):
    for path in tree.ending(*CODE):
        for name, pattern, folder in LIBRARIES:
            if path.startswith(
                (folder + "/", f"tests/{folder.removeprefix('src/')}/", "benchmarks/")
            ):
                continue
            for number, line in tree.code_lines(path):
                if pattern.search(line):
                    yield path, number, f"{name} is named outside of {folder}"


@rule
def sizes(tree):
    for path in dict.fromkeys(tree.ending(*CODE, *SCRIPT_ENDINGS) + tree.scripts()):
        lines = list(tree.lines(path))
        if len(lines) > FILE_LINES_MAX:
            yield path, len(lines), f"{len(lines)} lines, more than {FILE_LINES_MAX}"
        for number, line in lines:
            if len(line) > LINE_COLUMNS_MAX:
                yield path, number, f"{len(line)} columns, more than {LINE_COLUMNS_MAX}"


@rule
def function_sizes(tree):
    for path in tree.ending(*CODE):
        for first, last, head in functions(tree.code(path)):
            if last - first + 1 > FUNCTION_LINES_MAX:
                lines = last - first + 1
                yield path, first, f"{lines} lines, more than {FUNCTION_LINES_MAX}: {head}"


@rule
def headers(tree):
    for path in tree.ending(".h"):
        text = tree.text(path)
        opening = next(
            (i for i, line in enumerate(text.splitlines()) if not line.startswith("//")), 0
        )
        if not 1 <= opening <= OPENING_COMMENT_LINES_MAX:
            yield path, 1, f"opens with {opening} comment lines, not 1-{OPENING_COMMENT_LINES_MAX}"
        if not re.search(r"^#pragma once$", text, re.MULTILINE):
            yield path, 1, "has no #pragma once"
        for number, line in tree.code_lines(path):
            if re.search(r"\busing\s+namespace\b", line):
                yield path, number, "`using namespace` in a header"


@rule
def no_open_work(tree):
    endings = (*CODE, *SCRIPT_ENDINGS, ".md", ".txt", ".yaml", ".cmake")
    for path in dict.fromkeys(tree.ending(*endings) + tree.scripts()):
        for number, line in tree.lines(path):
            if match := OPEN_WORK.search(line):
                yield path, number, f"{match[1]}: do it or leave it out"


@rule
def one_mutex(tree):
    for path in production(tree):
        if path not in MUTEX_HOLDERS:
            for number, line in tree.code_lines(path):
                if match := MUTEX.search(line):
                    yield path, number, f"{match[0]}: threads meet in a Mailbox"


@rule
def determinism(tree):
    for path in production(tree):
        if not path.startswith(DETERMINISTIC):
            continue
        for number, line in tree.code_lines(path):
            if match := CHANCE.search(line):
                yield path, number, f"{match[0].strip()}: time and chance come with the entry"
            if path.startswith("raft/") and (match := CORE_OUTSIDE.search(line)):
                yield path, number, f"{match[0]}: the core does no I/O"


@rule
def module_readmes(tree):
    for folder in MODULES:
        names = [
            path.removeprefix(folder + "/")
            for path in tree.ending(".h")
            if path.startswith(folder + "/")
        ]
        if not names:
            continue
        readme = f"{folder}/README.md"
        text = tree.text(readme) if readme in tree.files else None
        if text is None:
            yield folder, 1, "a module without README.md"
            continue
        for name in names:
            stem = name.removesuffix(".h")
            if not any(form in text for form in (name, f"`{stem}`", stem + ".{", stem + ".*")):
                yield readme, 1, f"does not name {name}"


@rule
def everything_is_built(tree):
    """A source or test that no CMakeLists.txt names, nor a pattern beside it finds, is dead."""
    for path in tree.ending(".cc", "_test.py", "_test.js"):
        folders = path.split("/")[:-1]
        name = path.split("/")[-1]
        above = ["/".join(folders[:n] + ["CMakeLists.txt"]) for n in range(len(folders) + 1)]
        lists = [tree.text(list_) for list_ in above if list_ in tree.files]
        named = re.compile(rf"(?<![\w-]){re.escape(name)}\b")
        patterns = " ".join(re.findall(r"\bGLOB\b([^)]*)", lists[-1])).split() if lists else []
        if not any(map(named.search, lists)) and not any(fnmatch(name, each) for each in patterns):
            yield path, 1, "is in no CMakeLists.txt"


@rule
def top_level(tree):
    for name in sorted({path.split("/")[0] for path in tree.files}):
        if name not in TOP_LEVEL and not name.startswith("."):
            yield name, 1, "does not belong at the top level"


@rule
def links(tree):
    for path in tree.ending(".md"):
        for number, line in tree.lines(path):
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z]+:|#", target):
                    continue
                file = (tree.root / path).parent / target.split("#")[0]
                if not file.exists() or tree.root.resolve() not in file.resolve().parents:
                    yield path, number, f"the link to {target} leads nowhere"


@rule
def scripts(tree):
    for path in tree.scripts():
        if not tree.executable(path):
            yield path, 1, "has a #! line and is not executable"
        if re.match(r"#!.*\bbash\b", tree.text(path)):
            yield from bash_syntax(tree, path)
    for path in dict.fromkeys(tree.ending(".py") + tree.scripts()):
        if path.endswith(".py") or re.match(r"#!.*\bpython3?\b", tree.text(path)):
            try:
                compile(tree.text(path), path, "exec")
            except SyntaxError as error:
                yield path, error.lineno or 1, error.msg


def bash_syntax(tree, path):
    done = subprocess.run(["bash", "-n", str(tree.root / path)], capture_output=True, text=True)
    if done.returncode != 0:
        yield path, 1, done.stderr.strip()

"""The files of the source tree as the rules see them, and C++ text without comments and strings."""

import functools
import os
import pathlib
import re

NOT_SOURCE = {".git", "build", "node_modules", "__pycache__"}
DATA = "data"  # at the top level: what .gitignore names, and where a server may have run

CODE = (".h", ".cc")
SCRIPT_ENDINGS = (".py", ".js")

_LITERALS = re.compile(
    r'''
    //[^\n]* | /\*.*?\*/
  | R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"
  | "(?:\\.|[^"\\\n])*"
  | (?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'
''',
    re.VERBOSE | re.DOTALL,
)


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = sorted(self._walk())  # relative, with forward slashes

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in NOT_SOURCE]
            relative = pathlib.Path(folder).relative_to(self.root)
            if relative == pathlib.Path(".") and DATA in folders:
                folders.remove(DATA)
            yield from ((relative / name).as_posix() for name in names)

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def lines(self, path):
        """Line numbers from 1, and lines."""
        return enumerate(self.text(path).splitlines(), 1)

    @functools.lru_cache(maxsize=None)
    def code(self, path):
        """C++ text of the same lines with comments, strings and characters blanked."""
        return strip(self.text(path))

    def code_lines(self, path):
        return enumerate(self.code(path).splitlines(), 1)

    def ending(self, *endings):
        return [path for path in self.files if path.endswith(endings)]

    def scripts(self):
        """Files that say which program runs them."""
        return [
            path
            for path in self.files
            if not path.endswith(CODE) and self.text(path).startswith("#!")
        ]

    def executable(self, path):
        return os.access(self.root / path, os.X_OK)


def strip(text):
    def blank(match):
        whole = match.group()
        if whole.startswith("/"):
            return re.sub(r"[^\n]", " ", whole)
        return whole[0] + re.sub(r"[^\n]", " ", whole[1:-1]) + whole[-1]

    return _LITERALS.sub(blank, text)


_TYPE = re.compile(r"(template\s*<.*>\s*)?(class|struct|enum|union|namespace|extern)\b", re.DOTALL)


def functions(code):
    """First line, last line and beginning of every function body outside of other functions, judged
    by braces: one is a function's when its statement has a parenthesis and is no initializer."""
    stack = []  # per open brace: None if it holds declarations, else the function it opens
    statement, begin, line, inside = "", 0, 1, 0
    for character in code:
        if character == "\n":
            line += 1
        if character == "{":
            opened = None
            head = statement.strip()
            if inside == 0 and opens_function(head):
                opened = (begin, head)
                inside = 1
            elif inside:
                opened = "nested"
            stack.append(opened)
            statement, begin = "", 0
        elif character == "}":
            opened = stack.pop() if stack else None
            if isinstance(opened, tuple):
                inside = 0
                yield opened[0], line, re.sub(r"\s+", " ", opened[1])[:60]
            statement, begin = "", 0
        elif character == ";":
            statement, begin = "", 0
        elif character == "#" and not statement.strip():
            statement, begin = "#", line
        elif character == "\n" and statement.startswith("#") and not statement.endswith("\\"):
            statement, begin = "", 0
        else:
            if not statement.strip() and not character.isspace():
                begin = line
            statement += character


def opens_function(head):
    return ")" in head and not head.endswith(("=", ",", "(")) and not _TYPE.match(head)

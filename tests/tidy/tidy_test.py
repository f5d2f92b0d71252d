#!/usr/bin/env python3
"""Each rule accepts a small good tree and rejects a sample of what it is there for."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import rules
from tree import Tree, functions, strip

HEADER = "// What this is.\n#pragma once\n"
BAD_WORD = "TO" + "DO"

GOOD = {
    "CMakeLists.txt": "add_subdirectory(src)\n",
    "README.md": "[the base](src/base/README.md), [elsewhere](https://example.org)\n",
    "raft/core.h": HEADER + '#include "base/mailbox.h"\n#include "raft/types.h"\n',
    "raft/types.h": HEADER,
    "raft/README.md": "`core.h`, `types.h`\n",
    "raft/core.cc": '#include "raft/core.h"\nint f() {\n  // time(nullptr), std::mutex, WT_CURSOR\n'
    '  log.time(1);\n  return 1\'000;\n}\n',
    "raft/CMakeLists.txt": "kvorum_module(kvorum_raft SOURCES core.cc)\n",
    "src/base/mailbox.h": HEADER + "std::mutex mutex_;\n",
    "src/base/README.md": "`mailbox`\n",
    "src/server/CMakeLists.txt": "file(GLOB sources CONFIGURE_DEPENDS *.cc)\n",
    "src/server/found_by_pattern.cc": "",
    "storage/store.h": HEADER + '#include "raft/types.h"\nWT_SESSION* session;\n',
    "storage/README.md": "`store.h`\n",
    "tests/raft/core_test.cc": '#include "raft/core.h"\n#include "helper.h"\n',
    "tests/raft/helper.h": HEADER,
    "tests/raft/CMakeLists.txt": "kvorum_test(core_test SOURCES core_test.cc)\n",
    "tools/run": "#!/usr/bin/env bash\necho\n",
}

# For each rule: files that replace or join those of GOOD and must be found wrong, set by set.
BAD = {
    rules.include_arrows: [
        {"raft/core.h": HEADER + '#include "storage/store.h"\n'},
        {"src/net/loop.cc": '#include "command/table.h"\n'},
        {"storage/store.h": HEADER + '#include "raft/core.h"\n'},
        {"src/command/get.cc": '#include "server/node.h"\n'},
        {"benchmarks/node.cc": '#include "server/node.h"\n'},
        {"src/main.cc": '#include "raft/core.h"\n'},
        {"raft/core.cc": '#include "core.h"\n'},
    ],
    rules.libraries_stay_in_their_module: [
        {"src/server/loop.cc": "#include <event2/event.h>\n"},
        {"src/server/loop.cc": "bufferevent_free(b);\n"},
        {"src/command/get.cc": "WT_CURSOR* cursor;\n"},
        {"src/command/get.cc": "#include <wiredtiger.h>\n"},
        {"src/server/x.cc": "YAML::Node node;\n"},
    ],
    rules.sizes: [
        {"raft/core.cc": "//\n" * 601},
        {"raft/core.cc": "//" + "x" * 99 + "\n"},
        {"tools/run": "#!/usr/bin/env bash\n" + "#" * 101 + "\n"},
    ],
    rules.function_sizes: [
        {"raft/core.cc": "namespace a {\nint f(int x) {\n" + "  ++x;\n" * 80 + "}\n}\n"},
        {
            "raft/core.cc": "class A {\n  void f() const override {\n"
            + "    if (x) {\n    }\n" * 40
            + "  }\n};\n"
        },
    ],
    rules.headers: [
        {"raft/types.h": "// What this is.\n"},
        {"raft/types.h": "#pragma once\n"},
        {"raft/types.h": "// line\n" * 9 + "#pragma once\n"},
        {"raft/types.h": HEADER + "using namespace std;\n"},
    ],
    rules.no_open_work: [
        {"raft/core.cc": f"// {BAD_WORD}: later\n"},
        {"README.md": f"{BAD_WORD}\n"},
        {"tools/run": f"#!/usr/bin/env bash\n# {BAD_WORD}\n"},
    ],
    rules.one_mutex: [
        {"src/server/x.cc": "std::mutex m;\n"},
        {"src/server/x.h": HEADER + "std::condition_variable wait_;\n"},
        {"storage/x.cc": "std::shared_lock lock(m);\n"},
    ],
    rules.determinism: [
        {"raft/core.cc": "auto t = std::time(nullptr);\n"},
        {"src/command/x.cc": "auto t = time(nullptr);\n"},
        {"src/command/x.cc": "int r = rand();\n"},
        {"raft/core.cc": "std::chrono::steady_clock::now();\n"},
        {"raft/core.cc": "std::random_device device;\n"},
        {"raft/core.cc": "#include <thread>\n"},
    ],
    rules.module_readmes: [{"raft/README.md": "`core.h`\n"}, {"raft/README.md": None}],
    rules.everything_is_built: [
        {"tests/raft/other_test.cc": ""},
        {"tests/raft/other_test.py": ""},
        {"raft/re_core.cc": ""},
        {"src/server/CMakeLists.txt": "file(GLOB sources found_*.h other_*.cc)\n"},
    ],
    rules.top_level: [{"notes.txt": ""}, {"include/x.h": HEADER}],
    rules.links: [
        {"README.md": "[gone](src/gone.md)\n"},
        {"README.md": "[outside](../other/design.md)\n"},
    ],
    rules.scripts: [
        {"tools/run": "#!/usr/bin/env bash\nif true; then\n"},
        {"tools/other": "#!/usr/bin/env python3\ndef f(:\n"},
        {"tests/x.py": "def f(:\n"},
        {"tools/plain": "#!/bin/sh\n"},
    ],
}
NOT_EXECUTABLE = {"tools/plain"}


def found(rule, files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in files.items():
            if text is None:
                continue
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            if text.startswith("#!") and path not in NOT_EXECUTABLE:
                os.chmod(root / path, 0o755)
        return list(rule(Tree(root)))


class TidyTest(unittest.TestCase):
    def test_every_rule_has_samples(self):
        self.assertEqual(set(BAD), set(rules.RULES))

    def test_the_good_tree_passes(self):
        for rule in rules.RULES:
            self.assertEqual(found(rule, GOOD), [], rule.__name__)

    def test_each_bad_sample_is_found(self):
        for rule, samples in BAD.items():
            for sample in samples:
                with self.subTest(rule=rule.__name__, sample=list(sample.items())[0][1]):
                    findings = found(rule, {**GOOD, **sample})
                    self.assertTrue(findings)
                    self.assertTrue(
                        all(isinstance(line, int) and what for _, line, what in findings)
                    )

    def test_comments_and_strings_are_not_code(self):
        text = 'a; // std::mutex\n/* WT_X\n */ "std::\\"mutex"; R"(YAML::)" 1\'000; \'"\'; b;'
        for word in ("std::", "WT_", "YAML"):
            self.assertNotIn(word, strip(text))
        self.assertEqual(text.count("\n"), strip(text).count("\n"))
        self.assertTrue(strip(text).endswith("b;"))

    def test_functions_are_found_and_initializers_are_not(self):
        code = strip(
            "namespace n {\nclass A {\n  A()\n      : x_(1) {\n  }\n  int x_ = f({1});\n};\n"
            "const auto kTable = std::array{g(1),\n{2}};\nTEST(A, B) {\n  auto l = [] {};\n}\n}\n"
        )
        self.assertEqual([(first, last) for first, last, _ in functions(code)], [(3, 5), (10, 12)])

    def test_the_program_fails_on_a_finding(self):
        program = pathlib.Path(__file__).with_name("tidy.py")
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "stray").write_text("")
            done = subprocess.run([sys.executable, program, folder], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("stray:1:", done.stdout)


if __name__ == "__main__":
    sys.exit(unittest.main())

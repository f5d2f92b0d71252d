#!/usr/bin/env python3
"""redis-cli against the server: one-shot commands, RESP3, the interactive prompt, and its modes."""

import os
import pty
import signal
import subprocess
import sys

import harness


class Cli:
    def __init__(self, server):
        self.base = ["redis-cli", "-p", str(server.port)]

    def run(self, *arguments, stdin=""):
        """Standard output, without the last newline."""
        done = subprocess.run(
            [*self.base, *arguments], input=stdin, capture_output=True, text=True, timeout=60
        )
        return done.stdout.removesuffix("\n")

    def code(self, *arguments):
        return subprocess.run(
            [*self.base, *arguments], capture_output=True, stdin=subprocess.DEVNULL, timeout=60
        ).returncode

    def open(self, *arguments):
        return subprocess.Popen(
            [*self.base, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
            preexec_fn=harness.die_with_parent,
        )


def close(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def one_shot(checks, cli):
    checks.equal("set", cli.run("set", "cli:a", "1"), "OK")
    checks.equal("get", cli.run("get", "cli:a"), "1")
    checks.equal("incr, formatted", cli.run("--no-raw", "incr", "cli:a"), "(integer) 2")
    checks.equal("a missing key, formatted", cli.run("--no-raw", "get", "cli:none"), "(nil)")
    checks.equal(
        "a list of replies, formatted",
        cli.run("--no-raw", "mget", "cli:a", "cli:none"),
        '1) "2"\n2) (nil)',
    )
    checks.equal("a value from standard input", cli.run("-x", "set", "cli:x", stdin="bytes"), "OK")
    checks.equal("which reads back", cli.run("get", "cli:x"), "bytes")
    checks.contains(
        "an unknown command", cli.run("--no-raw", "nosuch"), "(error) ERR unknown command 'nosuch'"
    )
    checks.equal("-e turns an error into an exit code", cli.code("-e", "nosuch"), 1)
    checks.equal("and success into zero", cli.code("-e", "ping"), 0)
    checks.equal("a URI", cli.run("-u", f"redis://127.0.0.1:{cli.base[2]}/0", "get", "cli:a"), "2")
    checks.equal("-r repeats", cli.run("-r", "3", "incr", "cli:r"), "1\n2\n3")
    checks.equal(
        "a transaction from standard input",
        cli.run(stdin="multi\nset cli:t 7\nincr cli:t\nexec\n"),
        "OK\nQUEUED\nQUEUED\nOK\n8",
    )


def resp3(checks, cli):
    checks.equal("-3 get", cli.run("-3", "get", "cli:a"), "2")
    checks.equal("-3 a missing key", cli.run("-3", "--no-raw", "get", "cli:none"), "(nil)")
    checks.contains(
        "-3 answers HELLO with a map", cli.run("-3", "--no-raw", "hello"), '"proto" => (integer) 3'
    )
    checks.contains(
        "-3 command docs is a map",
        cli.run("-3", "--no-raw", "command", "docs", "get"),
        '"summary" => ',
    )


def interactive(checks, cli, server):
    """The prompt asks for COMMAND DOCS first; `help get` shows what it was told."""
    with server.client() as client:
        docs = client.call("COMMAND", "DOCS", "get")
    fields = dict(zip(docs[1][::2], docs[1][1::2]))
    checks.equal("command docs names its command", docs[0], b"get")
    checks.equal("and the command's group", fields.get(b"group"), b"string")
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        cli.base,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "dumb", "HOME": str(server.folder)},
        preexec_fn=harness.die_with_parent,
    )
    os.close(terminal)
    os.write(controller, b"set cli:i 5\nincr cli:i\nhelp get\nquit\n")
    output = b""
    while chunk := read_terminal(controller):
        output += chunk
    os.close(controller)
    text = output.decode().replace("\r\n", "\n")
    checks.equal("the prompt ends with quit", process.wait(60), 0)
    checks.contains("the prompt runs commands", text, "(integer) 6")
    checks.contains("help shows the server's summary", text, fields[b"summary"].decode())


def read_terminal(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other side of a terminal is closed
        return b""


def bulk_and_scan(checks, cli):
    count = 5000
    commands = b"".join(harness.encode("SET", f"bulk:{i}", i) for i in range(count))
    answer = cli.run("--pipe", stdin=commands.decode())
    checks.contains("--pipe loads everything", answer, f"errors: 0, replies: {count}")
    keys = cli.run("--scan", "--pattern", "bulk:*").split()
    checks.equal(
        "--scan finds every key once", sorted(keys), sorted(f"bulk:{i}" for i in range(count))
    )
    checks.equal(
        "--scan --pattern narrows", cli.run("--scan", "--pattern", "bulk:4999"), "bulk:4999"
    )
    checks.contains("--bigkeys reads types and sizes", cli.run("--bigkeys"), "Biggest string found")


def pub_sub(checks, cli, server):
    subscriber = cli.open("subscribe", "news")
    with server.client() as client:
        harness.wait_until(
            lambda: client.call("PUBSUB", "NUMSUB", "news") == [b"news", 1],
            "redis-cli has subscribed",
        )
        checks.equal("publish reaches redis-cli", client.call("PUBLISH", "news", "hello"), 1)
    lines = [subscriber.stdout.readline().strip() for _ in range(6)]
    checks.equal(
        "subscribe prints confirmation and message",
        lines,
        ["subscribe", "news", "1", "message", "news", "hello"],
    )
    close(subscriber)


def monitor(checks, cli, server):
    watcher = cli.open("monitor")
    checks.equal("monitor begins with OK", watcher.stdout.readline().strip(), "OK")
    with server.client() as client:
        client.call("SET", "mon", "a b\n")
    line = watcher.stdout.readline().strip()
    checks.contains("monitor shows the command, quoted", line, '"SET" "mon" "a b\\n"')
    checks.contains("and the database and the client", line, "[0 127.0.0.1:")
    close(watcher)


def sampling(checks, cli):
    fields = cli.run("--latency").split()
    checks.that(
        "--latency prints min, max, average, samples",
        len(fields) == 4 and int(fields[3]) > 0,
        fields,
    )
    statistics = cli.open("--stat", "-i", "0.01")
    lines = [statistics.stdout.readline() for _ in range(4)]
    checks.contains("--stat prints a header", "".join(lines[:2]), "keys")
    checks.that("--stat reads INFO", lines[2].split() and lines[2].split()[0].isdigit(), lines)
    close(statistics)


def main():
    options = harness.parser(__doc__).parse_args()
    harness.require_program("redis-cli")
    checks = harness.Checks()
    with harness.running(options.server) as server:
        cli = Cli(server)
        one_shot(checks, cli)
        resp3(checks, cli)
        interactive(checks, cli, server)
        bulk_and_scan(checks, cli)
        pub_sub(checks, cli, server)
        monitor(checks, cli, server)
        sampling(checks, cli)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())

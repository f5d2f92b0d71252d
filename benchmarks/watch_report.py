"""What benchmarks/watch measures, a cell each, and its results as tables."""

import dataclasses
import statistics

import common
import report

# What kvorum has to reach: deliveries a second, their ratio to etcd's, and how much of the writes a
# second remains with idle watchers, and with history.
FANOUT_WANTED = 500_000
ETCD_RATIO_WANTED = 5
IDLE_WANTED = 0.97
HISTORY_WANTED = 0.85


@dataclasses.dataclass(frozen=True)
class Deliveries:
    """Watchers of a key each, or of one prefix. With a rate writes are made at it; without, each of
    the writers has `pipeline` under way, until all watchers have read them."""

    watched: str
    watchers: int
    rate: int = 0
    writers: int = 4
    pipeline: int = 1

    def name(self):
        return f"{self.watched} {self.watchers} {self.rate} {self.writers} {self.pipeline}"

    def title(self):
        what = "a key each" if self.watched == "keys" else "one prefix"
        if self.rate:
            return f"{self.watchers:,} on {what}, {self.rate:,} events/s"
        return f"{self.watchers:,} on {what}, {self.writers} × {self.pipeline} writes"

    def fields(self):
        return dataclasses.asdict(self)

    def arguments(self):
        arguments = ["--watched", self.watched, "--watchers", self.watchers]
        arguments += ["--writers", self.writers]
        if self.rate:
            return arguments + ["--rate", self.rate]
        return arguments + ["--pipeline", self.pipeline]

    def saturates(self):
        """Whether there is always more to deliver: one write a writer does not do that."""
        return not self.rate and self.pipeline > 1


@dataclasses.dataclass(frozen=True)
class Writes:
    """SETs of redis-benchmark, beside so many idle watchers."""

    watched: str
    watchers: int
    clients: int
    pipeline: int

    def name(self):
        return f"{self.watched} {self.watchers} {self.clients} {self.pipeline}"

    def fields(self):
        return dataclasses.asdict(self)


def ratios(ours, theirs, field):
    """Of the rounds, in which they were measured shortly after each other."""
    return [a[field] / b[field] if b[field] else float("inf") for a, b in zip(ours, theirs)]


def verdict(got, wanted):
    return f">= {wanted:,}: {'met' if got >= wanted else 'MISSED'}"


def deliveries_table(part, cells):
    head = ["watchers", "system", "events/s", "deliveries/s", "ratio", "p50/p99/max ms"]
    head += ["lost", "wrong order", "generator, µs/delivery", "server, µs/delivery", "wanted"]
    rows = [head]
    for cell in cells:
        kvorum = part["samples"]["kvorum"][cell.name()]
        for system, sides in part["samples"].items():
            samples = sides[cell.name()]
            deliveries = report.median(samples, "deliveries_per_s")
            ratio, wanted = "", ""
            if system != "kvorum":
                ratio = statistics.median(ratios(kvorum, samples, "deliveries_per_s"))
                wanted = verdict(ratio, ETCD_RATIO_WANTED) if cell.saturates() else ""
                ratio = f"{ratio:.2f}"
            elif cell.saturates():
                wanted = verdict(deliveries, FANOUT_WANTED)
            row = [cell.title(), system, f"{report.median(samples, 'events_per_s'):,.0f}"]
            row += [f"{deliveries:,.0f}", ratio, latencies(samples)]
            row += [str(sum(s[field] for s in samples)) for field in ("lost", "out_of_order")]
            server = statistics.median(sum(s["cpu_percent"].values()) for s in samples)
            generator = report.median(samples, "generator_percent")
            row.append(f"{generator:.0f} %, {report.median(samples, 'generator_us'):.2f}")
            row.append(f"{server:.0f} %, {report.median(samples, 'server_us'):.2f}")
            rows.append(row + [wanted])
    return report.markdown(rows)


def latencies(samples):
    medians = (report.median(samples, field) for field in ("p50_ms", "p99_ms"))
    highest = max(sample["max_ms"] for sample in samples)
    return "/".join(f"{value:.3g}" for value in (*medians, highest))


def writes_table(pairs, others, ours):
    """`pairs`: titles, samples of the other, samples of what is judged, and the wanted ratio."""
    rows = [["SET", f"{others}/s", f"{ours}/s", "ratio", "rounds", "p50 ms"]]
    rows[0] += ["server's CPU, µs/SET", "wanted"]
    for title, theirs, samples, wanted in pairs:
        got = ratios(samples, theirs, "rps")
        ratio = statistics.median(got)
        row = [title]
        both = (theirs, samples)
        row += [f"{report.median(s, 'rps'):,.0f} ±{report.spread(s):.0f}%" for s in both]
        row += [f"{ratio:.3f}", " ".join(f"{each:.2f}" for each in got)]
        row.append("/".join(f"{report.median(s, 'p50_ms'):.3g}" for s in both))
        row.append("/".join(f"{report.median(s, 'server_us'):.2f}" for s in both))
        rows.append(row + [verdict(ratio, wanted)])
    return report.markdown(rows)


def threads_table(rows):
    table = [["", "server's threads, in percent of one core"]]
    table += [
        [title, common.busy_threads([sample["cpu_percent"] for sample in samples])]
        for title, samples in rows
    ]
    return report.markdown(table)


def cells_of(part, kind):
    return [kind(**fields) for fields in part["cells"]]


def deliveries_part(part):
    cells = cells_of(part, Deliveries)
    samples = part["samples"]["kvorum"]
    threads = [(f"kvorum, {cell.title()}", samples[cell.name()]) for cell in cells]
    return [deliveries_table(part, cells), threads_table(threads), *remarks(part, cells)]


def remarks(part, cells):
    """What makes a number doubtful."""
    for system, samples in part["samples"].items():
        for cell in cells:
            of_cell = samples[cell.name()]
            lost = sum(sample["lost"] for sample in of_cell)
            wrong = sum(sample["out_of_order"] for sample in of_cell)
            if lost or wrong:
                yield f"{system}, {cell.title()}: LOST {lost}, IN WRONG ORDER {wrong}"
            told = sum(sample["told_lost"] for sample in of_cell)
            if told:
                yield f"{system}, {cell.title()}: {told} watchers were told `lost`"
            slow = min(sample["events_per_s"] for sample in of_cell)
            if cell.rate and slow < 0.97 * cell.rate:
                behind = max(sample["behind_rate_ms"] for sample in of_cell)
                yield (
                    f"{system}, {cell.title()}: the rate was not reached ({slow:,.0f} events/s, "
                    f"up to {behind:,.0f} ms late), so its latencies are those of a queue"
                )


def idle_part(part):
    samples, pairs, threads = part["samples"]["kvorum"], [], []
    for cell in cells_of(part, Writes):
        title = f"{cell.clients} clients, pipeline {cell.pipeline}"
        each = "a key each" if cell.watched == "keys" else "a prefix each"
        beside = f"{title}, {cell.watchers:,} on {each}"
        none, idle = samples[f"without {cell.name()}"], samples[f"with {cell.name()}"]
        pairs.append((beside, none, idle, IDLE_WANTED))
        threads += [(f"{title}, none", none), (beside, idle)]
    return [writes_table(pairs, "none", "idle watchers"), threads_table(threads)]


def history_part(part):
    samples, pairs, threads = part["samples"], [], []
    for cell in cells_of(part, Writes):
        title = f"{cell.clients} clients, pipeline {cell.pipeline}"
        on, off = samples["on"][cell.name()], samples["off"][cell.name()]
        pairs.append((title, off, on, HISTORY_WANTED))
        threads += [(f"{title}, off", off), (f"{title}, on", on)]
    return [writes_table(pairs, "off", "history"), threads_table(threads)]


PARTS = {
    "latency": ("Latency, from sending a write to reading its event", deliveries_part),
    "fanout": ("Fan-out, as fast as everything is delivered", deliveries_part),
    "idle": ("Writes beside idle watchers", idle_part),
    "history": ("Writes with the history of changes and without", history_part),
}


def document(results):
    beside = f", etcd {results['etcd']}" if results["etcd"] else ""
    parts = [
        f"{report.describe(results['machine'])}. One node{beside}, {results['value_bytes']} B "
        f"values. Medians of {results['rounds']} alternating rounds, of max the highest; ratio: "
        "median of the rounds' ratios. CPU in percent of one core."
    ]
    for name, (title, tables) in PARTS.items():
        if name in results:
            parts += [f"### {title}", *tables(results[name])]
    return "\n\n".join(parts) + "\n"

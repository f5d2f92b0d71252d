"""The results of benchmarks/run as a table and as a plot."""

import dataclasses
import html
import statistics


@dataclasses.dataclass(frozen=True)
class Cell:
    """One workload. The wanted ratios are kvorum to redis; 0 when nothing is wanted."""

    command: str
    size: int
    clients: int
    pipeline: int
    throughput_wanted: float = 0  # at least
    latency_wanted: float = 0  # of the median, at most

    def name(self):
        return f"{self.command} {self.size} {self.clients} {self.pipeline}"

    def fields(self):
        return dataclasses.asdict(self)


def median(samples, field):
    return statistics.median(sample[field] for sample in samples)


def spread(samples):
    """Half the range of throughput, in percent of its median."""
    values = [sample["rps"] for sample in samples]
    return 50 * (max(values) - min(values)) / statistics.median(values)


def ratio(cell, field):
    """The median over the rounds of second side / first side, measured one after the other."""
    first, second = cell["samples"]
    return statistics.median(b[field] / a[field] for a, b in zip(first, second) if a[field])


def verdict(cell):
    if cell["throughput_wanted"]:
        wanted, met = cell["throughput_wanted"], ratio(cell, "rps") >= cell["throughput_wanted"]
        return f"throughput >= {wanted}: {'met' if met else 'MISSED'}"
    if cell["latency_wanted"]:
        wanted, met = cell["latency_wanted"], ratio(cell, "p50_ms") <= cell["latency_wanted"]
        return f"p50 <= {wanted}: {'met' if met else 'MISSED'}"
    return ""


def describe(machine):
    return (
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, fdatasync median {machine['fdatasync_median_ms']} ms, "
        f"load average {machine['load_average']} before"
    )


def markdown(rows):
    """A table, whose first row is its head; no line break at the end."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(t.ljust(w) for t, w in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def table(results):
    first, second = results["sides"]
    head = ["command", "value", "clients", "pipeline", f"{first}/s", f"{second}/s", "ratio"]
    head += [f"{first} p50/p99 ms", f"{second} p50/p99 ms", "wanted"]
    rows = [head]
    for cell in results["cells"]:
        row = [cell["command"], f"{cell['size']} B", str(cell["clients"]), str(cell["pipeline"])]
        row += [f"{median(s, 'rps'):,.0f} ±{spread(s):.0f}%" for s in cell["samples"]]
        row.append(f"{ratio(cell, 'rps'):.2f}")
        row += [f"{median(s, 'p50_ms'):.3g}/{median(s, 'p99_ms'):.3g}" for s in cell["samples"]]
        rows.append(row + [verdict(cell)])
    about = (
        f"{describe(results['machine'])}. Medians of {results['rounds']} alternating rounds, "
        "± half the range; ratio: median of the rounds' ratios."
    )
    return f"{about}\n\n{markdown(rows)}\n"


# The plot: a panel for each pipeline depth, a pair of bars for each workload in it.
WIDTH, LABEL, BAR, GAP, HEAD = 900, 230, 13, 10, 46
COLORS = ("#9aa5b1", "#1f6feb")
FONT = 'font-family="sans-serif" font-size="12" fill="#1c2733"'


def text(x, y, content, extra=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" {FONT} {extra}>{html.escape(content)}</text>'


def bars(cell, top, scale):
    size = "" if cell["command"] == "INCR" else f" {cell['size']} B"
    plural = "" if cell["clients"] == 1 else "s"
    parts = [
        text(
            LABEL - 10,
            top + BAR + 4,
            f"{cell['command']}{size}, {cell['clients']} client{plural}",
            'text-anchor="end"',
        )
    ]
    for index, samples in enumerate(cell["samples"]):
        value, y = median(samples, "rps"), top + index * BAR
        label = f"{value:,.0f}" + (f"  (x {ratio(cell, 'rps'):.2f})" if index else "")
        parts.append(
            f'<rect x="{LABEL}" y="{y}" width="{value * scale:.1f}" height="{BAR - 1}" '
            f'fill="{COLORS[index]}"/>'
        )
        parts.append(text(LABEL + value * scale + 5, y + BAR - 3, label))
    return parts


def panel(cells, pipeline, top):
    """SVG of the panel, and where the next one begins."""
    highest = max(median(samples, "rps") for cell in cells for samples in cell["samples"])
    scale = (WIDTH - LABEL - 140) / highest
    parts = [text(LABEL, top + 18, f"Requests a second, pipeline {pipeline}", 'font-weight="bold"')]
    top += 28
    for cell in cells:
        parts += bars(cell, top, scale)
        top += 2 * BAR + GAP
    return parts, top + GAP


def plot(results):
    parts, top = [], HEAD
    for pipeline in sorted({cell["pipeline"] for cell in results["cells"]}):
        cells = [cell for cell in results["cells"] if cell["pipeline"] == pipeline]
        more, top = panel(cells, pipeline, top)
        parts += more
    legend = [text(20, 20, describe(results["machine"]))]
    for index, name in enumerate(results["sides"]):
        x = 20 + 130 * index
        legend.append(f'<rect x="{x}" y="29" width="12" height="12" fill="{COLORS[index]}"/>')
        legend.append(text(x + 18, 39, name))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
            f'viewBox="0 0 {WIDTH} {top}">',
            f'<rect width="{WIDTH}" height="{top}" fill="white"/>',
            *legend,
            *parts,
            "</svg>\n",
        ]
    )

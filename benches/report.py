#!/usr/bin/env python3
"""Reports a run of `cargo bench --bench load -- --all`.

Prints the table of goals, draws the plots in docs/images, and writes both and the tables of numbers
into docs/performance.md, between its markers. `benches/report.py [ROWS] [--print]`: by default of the
newest file in benches/results; with --print no file is written.
"""

import json
import os
import re
import sys
from collections import defaultdict
from html import escape
from statistics import median

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = {
    "read": "handler that reads",
    "verified": "handler that verifies",
    "durable": "Sealpost",
    "many sources": "Sealpost, 1,000 sources",
    "logged": "Sealpost, a log line each",
    "ceiling": "groups into one table",
    "single rows": "single-row commits",
    "fastify": "Fastify",
    "express": "Express",
    "qhook": "qhook",
    "drain": "Sealpost",
    "drain of lanes": "Sealpost, 1,000 lanes",
    "pg-boss": "pg-boss",
    "graphile-worker": "graphile-worker",
    "graphile-worker-rs": "Graphile Worker RS",
}
PEERS = ["fastify", "express", "qhook"]
QUEUES = ["pg-boss", "graphile-worker", "graphile-worker-rs"]


class Run:
    """The rows of a file. Where a measurement was repeated, all of its rows count."""

    def __init__(self, path):
        self.path = path
        self.machine = {}
        self.values = defaultdict(list)
        with open(path, encoding="utf-8") as file:
            for line in filter(None, map(str.strip, file)):
                row = json.loads(line)
                if "scenario" not in row:
                    self.machine.update(row)
                    continue
                key = (row.pop("scenario"), row.pop("load"))
                row.pop("round")
                for name, value in row.items():
                    self.values[(*key, name)].append(value)

    def all(self, scenario, load, value="rate"):
        return self.values.get((scenario, load, value), [])

    def get(self, scenario, load, value="rate"):
        """The median of all rounds; none if it was not measured."""
        values = self.all(scenario, load, value)
        return median(values) if values else None

    def has(self, scenario, load):
        return any(key[:2] == (scenario, load) for key in self.values)


# --- goals --------------------------------------------------------------------------------------


def ratio(over, under):
    return over / under if over is not None and under else None


def least(values):
    values = [value for value in values if value is not None]
    return min(values) if values else None


def most(values):
    values = [value for value in values if value is not None]
    return max(values) if values else None


def goals(run):
    """Each goal with its bound, what was measured, and whether that is enough."""
    closed = lambda name: run.get(name, "closed")
    durable = closed("durable")
    drain = run.get("drain", "backlog")

    def at_least(text, bound, value, form="{:.2f}"):
        return text, "≥ " + form.format(bound), value, form, value is not None and value >= bound

    def at_most(text, bound, value, form="{:.2f}"):
        return text, "≤ " + form.format(bound), value, form, value is not None and value <= bound

    before = run.get("keep up", "half", "unfinished_before")
    after = run.get("keep up", "half", "unfinished_after")
    # A tenth of a second of arrivals is what is always in flight.
    growth = None if after is None else max(0.0, after - before)
    allowance = (run.get("keep up", "half") or 0) / 10
    return [
        at_least("durable acknowledgements, of the ceiling", 0.6, ratio(durable, closed("ceiling"))),
        at_least("durable acknowledgements, of Fastify", 9, ratio(durable, closed("fastify")), "{:.1f}"),
        at_least("durable acknowledgements, of qhook", 12, ratio(durable, closed("qhook")), "{:.1f}"),
        at_least("durable acknowledgements, of the reading handler", 0.45, ratio(durable, closed("read"))),
        at_most(
            "p99 in the first minute of a new database, of the better of Fastify and Express",
            1.0,
            ratio(
                run.get("durable", "first", "p99"),
                least(run.get(name, "first", "p99") for name in ("fastify", "express")),
            ),
        ),
        at_most(
            "acknowledgement p99 at 1,000/s, of a single-row commit's",
            1.3,
            ratio(run.get("durable", "1000/s", "p99"), run.get("single rows", "1000/s", "p99")),
        ),
        at_least(
            "chunks, of inserting the same bytes",
            0.6,
            ratio(
                run.get("chunks", "closed", "megabytes_per_second"),
                run.get("rows of chunks", "closed", "megabytes_per_second"),
            ),
        ),
        at_least("with 1,000 sources of all providers, of one source", 0.95, ratio(closed("many sources"), durable)),
        at_most("ready after, ms", 300, run.get("start", "idle", "ready_ms"), "{:.0f}"),
        at_most("resident when idle, MiB", 40, run.get("start", "idle", "resident_mib"), "{:.0f}"),
        at_least(
            "drain of a backlog, of the fastest queue's",
            3,
            ratio(drain, most(run.get(name, "backlog") for name in QUEUES)),
        ),
        at_least("drain of 1,000 lanes, of the drain without", 0.5, ratio(run.get("drain of lanes", "backlog"), drain)),
        at_most("growth of the backlog at half the highest rate", allowance, growth, "{:.0f}"),
        at_most("from acknowledgement to handler when idle, median ms", 5, run.get("delay", "idle", "p50")),
        at_least("share of time that a destination's 64 requests are used", 0.9, run.get("destination", "busy", "share")),
        at_least(
            "drain after a transaction was left open, of one without",
            0.9,
            ratio(run.get("open transaction", "backlog"), run.get("no open transaction", "backlog")),
        ),
    ]


def goal_table(run):
    rows = [["Goal", "Bound", "Measured", ""]]
    for text, bound, value, form, is_met in goals(run):
        measured = "not measured" if value is None else form.format(value)
        rows.append([text, bound, measured, "" if value is None else "met" if is_met else "**missed**"])
    return rows


# --- tables -------------------------------------------------------------------------------------


def markdown(rows):
    line = lambda row: "| " + " | ".join(row) + " |"
    return "\n".join([line(rows[0]), "|" + "---|" * len(rows[0]), *map(line, rows[1:])])


def number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def spread(run, name, load, value="rate"):
    values = run.all(name, load, value)
    return f"{number(min(values))} to {number(max(values))}" if values else ""


def closed_table(run):
    rows = [["", "Requests a second", "Lowest to highest round", "p50 ms", "p99 ms", "Server µs", "PostgreSQL µs", "Generator µs"]]
    for name in ["read", "verified", "durable", "many sources", "logged", "ceiling", "single rows", *PEERS]:
        if not run.has(name, "closed"):
            continue
        get = lambda value: run.get(name, "closed", value)
        server = number(get("server_us"), 1) if name not in ("ceiling", "single rows") else ""
        rows.append(
            [NAMES[name], number(get("rate")), spread(run, name, "closed"), number(get("p50"), 2), number(get("p99"), 2),
             server, number(get("postgres_us"), 1), number(get("own_us"), 1)]
        )
    return markdown(rows)


def open_table(run):
    rows = [["", "Rate", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms"]]
    for name in ["durable", "single rows", *PEERS]:
        for load in ("1000/s", "half"):
            if run.has(name, load):
                get = lambda value: number(run.get(name, load, value), 2)
                rate = number(run.get(name, load)) + "/s"
                rows.append([NAMES[name], rate, get("p50"), get("p90"), get("p99"), get("p999")])
    return markdown(rows)


def first_table(run):
    rows = [["", "Requests a second", "p50 ms", "p99 ms", "Longest ms"]]
    for name in ["durable", *PEERS]:
        if run.has(name, "first"):
            get = lambda value, digits=2: number(run.get(name, "first", value), digits)
            rows.append([NAMES[name], get("rate", 0), get("p50"), get("p99"), get("max", 0)])
    return markdown(rows)


def drain_table(run):
    rows = [["", "Deliveries a second", "Lowest to highest round", "Server µs", "PostgreSQL µs"]]
    for name in ["drain", "drain of lanes", *QUEUES]:
        if run.has(name, "backlog"):
            get = lambda value: number(run.get(name, "backlog", value), 1)
            rows.append([NAMES[name], number(run.get(name, "backlog")), spread(run, name, "backlog"), get("own_us"), get("postgres_us")])
    return markdown(rows)


def machine(run):
    what = run.machine
    return (
        f"Measured on {what['at']} at commit `{what['commit']}`: {what['cores']} cores ({what['processor']}), Linux "
        f"{what['kernel']}, PostgreSQL {what['postgres']}, {what['rounds']} rounds of {what['seconds']:g} s, a backlog of "
        f"{what['backlog']:,} deliveries, a transaction open for {what['open_transaction']:g} s. The rows are in "
        f"[{os.path.basename(run.path)}](../benches/results/{os.path.basename(run.path)})."
    )


# --- plots --------------------------------------------------------------------------------------

COLOURS = ["#2f6f9f", "#c8792b", "#7a8794"]


def svg(width, height, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>' + "".join(parts) + "</svg>\n"
    )


def text(x, y, content, anchor="start", weight="normal"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}" fill="#222">{escape(content)}</text>'


def bars(title, unit, rows, digits=0, legend=()):
    """Horizontal bars. A row is a name, the parts of its bar, and its lowest and highest value."""
    left, right, top, step = 190, 90, 48 if legend else 36, 26
    width, height = 760, top + step * len(rows) + 10
    longest = max((max(sum(values), *spread) for _, values, spread in rows), default=1)
    scale = (width - left - right) / longest
    parts = [text(10, 22, f"{title}, {unit}", weight="bold")]
    for place, name in enumerate(legend):
        x = left + 140 * place
        parts.append(f'<rect x="{x}" y="30" width="10" height="10" fill="{COLOURS[place]}"/>' + text(x + 15, 40, name))
    for place, (name, values, (low, high)) in enumerate(rows):
        y = top + step * place
        parts.append(text(left - 8, y + 14, name, "end"))
        x = left
        for part, value in enumerate(values):
            colour = COLOURS[part] if legend or name.startswith("Sealpost") else COLOURS[2]
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{value * scale:.1f}" height="18" fill="{colour}"/>')
            x += value * scale
        if high > low:
            begin, end, middle = left + low * scale, left + high * scale, y + 9
            parts.append(f'<path d="M{begin:.1f} {middle - 4}v8M{begin:.1f} {middle}H{end:.1f}M{end:.1f} {middle - 4}v8" stroke="#222"/>')
        end = max(x, left + high * scale)
        parts.append(text(end + 6, y + 14, number(sum(values), digits)))
    return svg(width, height, parts)


def plots(run):
    def simple(names, load, value="rate"):
        rows = []
        for name in names:
            values = run.all(name, load, value)
            if values:
                rows.append((NAMES[name], [median(values)], (min(values), max(values))))
        return rows

    servers = ["read", "verified", "durable", "ceiling", "single rows", *PEERS]
    drawn = {
        "throughput": bars("Requests a second, closed loop", "median, lowest and highest round", simple(servers, "closed")),
        "latency": bars("p99 at 1,000 requests a second", "ms, open loop", simple(["durable", "single rows", *PEERS], "1000/s", "p99"), 2),
        "dispatch": bars("Deliveries a second", "drain of a backlog", simple(["drain", "drain of lanes", *QUEUES], "backlog")),
    }
    rows = []
    for name in servers:
        if run.has(name, "closed"):
            values = [run.get(name, "closed", value) for value in ("server_us", "postgres_us", "own_us")]
            rows.append((NAMES[name], values, (0, 0)))
    drawn["processor"] = bars("Processor time of a request", "µs", rows, 0, ("server", "PostgreSQL", "generator"))
    return drawn


# --- the document -------------------------------------------------------------------------------


def write(run):
    for name, drawing in plots(run).items():
        with open(os.path.join(ROOT, f"docs/images/performance-{name}.svg"), "w", encoding="utf-8") as file:
            file.write(drawing)
    path = os.path.join(ROOT, "docs/performance.md")
    with open(path, encoding="utf-8") as file:
        page = file.read()
    parts = {
        "machine": machine(run),
        "goals": markdown(goal_table(run)),
        "closed": closed_table(run),
        "open": open_table(run),
        "first": first_table(run),
        "drain": drain_table(run),
    }
    for name, part in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page, count = pattern.subn(lambda found: found[1] + part + "\n" + found[2], page)
        assert count == 1, f"docs/performance.md has no marker {name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)


def main():
    paths = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    if not paths:
        folder = os.path.join(ROOT, "benches/results")
        paths = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".jsonl"))[-1:]
    if not paths:
        sys.exit("no rows: run `just bench`, or name a file")
    run = Run(paths[0])
    rows = goal_table(run)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).replace("**", "").rstrip())
    if "--print" not in sys.argv:
        write(run)


main()

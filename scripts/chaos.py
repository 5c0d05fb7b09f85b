"""The runs of scripts/chaos, one process each, and the table of what came out.

Started by scripts/chaos, which prepares everything and explains the arguments; with --one it is a
single run.
"""

import argparse
import asyncio
import json
import math
import secrets
import shutil
import sys
import tempfile
import time

from mqtt import ending
from mqtt.run import Run

# Fewer milliseconds, and a broker may not have noticed yet that the old connection is gone.
SHORTEST_RETRY = 250
KINDS = {"kill": "kills", "cut": "cuts", "restart": "restarts", "slow": "slow", "stall": "stalls", "forget": "forget_sessions"}
COLUMNS = [
    "protocol", "qos", "seed", "events", "kill", "cut", "restart", "slow", "stall", "forget", "connections",
    "under_way", "received", "lost", "duplicated", "unmarked", "marked", "out_of_order", "seconds",
]  # fmt: skip
NAMES = {
    "protocol": "MQTT", "kill": "kills", "cut": "cuts", "restart": "restarts", "stall": "stalls", "forget": "forgotten",
    "under_way": "hit", "out_of_order": "late",
}  # fmt: skip
LEGEND = (
    "hit: kills and ends of connections with messages under way. unmarked: duplicates without maybe-dup. "
    "marked: messages with it. late: arrived after a later event."
)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/chaos", add_help=False)
    parser.add_argument("--publisher", required=True)
    parser.add_argument("--one", action="store_true")
    parser.add_argument("--events", type=number, default=10_000)
    parser.add_argument("--kills", type=number, default=100)
    parser.add_argument("--cuts", type=number, default=300)
    parser.add_argument("--restarts", type=number, default=6)
    parser.add_argument("--slow", type=number)
    parser.add_argument("--stalls", type=number)
    parser.add_argument("--forget-sessions", type=number, default=0)
    parser.add_argument("--qos", choices=["0", "1", "2", "all"], default="2")
    parser.add_argument("--protocol", choices=["5", "3.1.1", "both"], default="5")
    parser.add_argument("--seed", default=str(secrets.randbelow(10**6)))
    parser.add_argument("--retry-ms", type=number, default=1_000)
    parser.add_argument("--jobs", type=number, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.slow is None:
        options.slow = math.ceil(options.cuts / 30)
    if options.stalls is None:
        options.stalls = math.ceil(options.cuts / 60)
    faults = sum(counts(options).values())
    if options.events <= faults:
        parser.error(f"{faults} faults need more than {options.events} events (--events)")
    if options.retry_ms < SHORTEST_RETRY:
        parser.error(f"--retry-ms must be at least {SHORTEST_RETRY}: brokers may still be busy with the old connection")
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    return options


def number(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def counts(options):
    return {kind: getattr(options, name) for kind, name in KINDS.items()}


def one(options):
    """A single run: its row as JSON."""
    folder = tempfile.mkdtemp(prefix="doorward-chaos-")
    run = Run(
        folder,
        options.publisher,
        seed=options.seed,
        protocol=options.protocol,
        qos=int(options.qos),
        events=options.events,
        counts=counts(options),
        retry_ms=options.retry_ms,
    )
    row = None
    try:
        row = ending.run(run.run())
    finally:
        if options.keep and (row is None or row["problems"]):
            print(f"chaos: kept {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    print(json.dumps({"protocol": options.protocol, "qos": int(options.qos), "seed": options.seed, **row}))


def command(options, protocol, qos, seed):
    """The arguments of one run, for people to repeat it."""
    given = [
        "--protocol", protocol, "--qos", qos, "--seed", seed, "--events", options.events, "--retry-ms", options.retry_ms,
    ]  # fmt: skip
    for kind, count in counts(options).items():
        given += [f"--{KINDS[kind].replace('_', '-')}", count]
    return [str(part) for part in given]


async def row_of(options, gate, protocol, qos, seed):
    given = command(options, protocol, qos, seed)
    async with gate:
        say(f"MQTT {protocol}, QoS {qos}, seed {seed}: begun")
        began = time.monotonic()
        more = ["--keep"] if options.keep else []
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--publisher", options.publisher, "--one", *given, *more,
            stdout=asyncio.subprocess.PIPE, preexec_fn=ending.with_parent,
        )  # fmt: skip
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
    if process.returncode == 0:
        row = json.loads(output)
    else:
        row = {"protocol": protocol, "qos": int(qos), "seed": seed, "problems": ["the harness failed; see above"]}
    verdict = "; ".join(row["problems"]) or "kept every promise"
    say(f"MQTT {protocol}, QoS {qos}, seed {seed}: {verdict} ({time.monotonic() - began:.0f} s)")
    if row["problems"]:
        say(f"to repeat it: scripts/chaos {' '.join(given)} --keep")
    return row


def say(text):
    print(f"chaos: {text}", file=sys.stderr, flush=True)


def print_table(rows):
    lines = [[NAMES.get(column, column) for column in COLUMNS]]
    lines += [[str(row.get(column, "")) for column in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths)).rstrip())
    print(LEGEND)


async def everything(options):
    protocols = ["5", "3.1.1"] if options.protocol == "both" else [options.protocol]
    levels = ["0", "1", "2"] if options.qos == "all" else [options.qos]
    gate = asyncio.Semaphore(options.jobs)
    say(f"seed {options.seed}")
    rows = await asyncio.gather(
        *(
            row_of(options, gate, protocol, qos, seed)
            for protocol in protocols
            for qos in levels
            for seed in options.seed.split(",")
        )
    )
    if options.json:
        for row in rows:
            print(json.dumps(row))
    else:
        print_table(rows)
    return 1 if any(row["problems"] for row in rows) else 0


def main():
    options = arguments()
    if options.one:
        one(options)
        return 0
    return ending.run(everything(options))


if __name__ == "__main__":
    sys.exit(main())

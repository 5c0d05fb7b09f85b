"""Runs every broker of mqtt.fleet through mqtt.survey, and prints the table.

Started by scripts/brokers, which prepares everything and explains the arguments.
"""

import argparse
import asyncio
import json
import random
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from mqtt import ending, fleet
from mqtt.survey import Survey

COLUMNS = ["broker", "protocol", "qos", "events", "cuts", "lost", "duplicated", "unmarked", "diagnosis"]
NAMES = {"protocol": "MQTT", "qos": "QoS"}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/brokers", add_help=False)
    parser.add_argument("--publisher", required=True)
    parser.add_argument("--events", type=int, default=150)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--protocol", choices=["5", "3.1.1", "both"], default="both")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--fetch", choices=sorted(fleet.ALL))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("brokers", nargs="*", metavar="BROKER")
    options = parser.parse_args()
    if unknown := set(options.brokers) - set(fleet.ALL):
        parser.error(f"no such broker: {', '.join(unknown)}; there are {', '.join(fleet.ALL)}")
    if not 0 <= options.cuts < options.events:
        parser.error("there must be more events than cuts")
    return options


async def one(options, broker, protocol):
    folder = Path(tempfile.mkdtemp(prefix="doorward-brokers-"))
    chance = random.Random(f"{options.seed} {broker.name} {protocol}")
    try:
        survey = Survey(
            broker, folder, options.publisher, chance,
            protocol=protocol, events=options.events, cuts=options.cuts,
        )  # fmt: skip
        return await survey.run()
    except (RuntimeError, OSError) as error:
        return {"broker": broker.name, "protocol": protocol, "diagnosis": f"not run: {error}", "failed": True}
    finally:
        if options.keep:
            say(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


async def everything(options):
    say(f"seed {options.seed}")
    rows = []
    for name in options.brokers or fleet.ALL:
        broker = fleet.ALL[name]
        try:
            await asyncio.to_thread(broker.fetch)
        except fleet.Missing as reason:
            rows.append({"broker": name, "diagnosis": f"not to be had: {reason}"})
            say(f"{name}: not to be had: {reason}")
            continue
        for protocol in broker.protocols:
            if options.protocol in ("both", protocol):
                say(f"{name}, MQTT {protocol}: begun")
                row = await one(options, broker, protocol)
                rows.append(row)
                say(", ".join(f"{column} {row.get(column, '-')}" for column in COLUMNS))
    if options.json:
        for row in rows:
            print(json.dumps(row))
    else:
        print_table(rows)
    return 1 if any(row.get("lost") or row.get("failed") for row in rows) else 0


def print_table(rows):
    lines = [[NAMES.get(column, column) for column in COLUMNS]]
    lines += [[str(row.get(column, "")) for column in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def say(text):
    print(f"brokers: {text}", file=sys.stderr, flush=True)


def main():
    options = arguments()
    if options.fetch:
        broker = fleet.ALL[options.fetch]
        try:
            broker.fetch()
        except fleet.Missing as reason:
            sys.exit(f"brokers: {options.fetch}: not to be had: {reason}")
        print(broker.program())
        return 0
    return ending.run(everything(options))


if __name__ == "__main__":
    sys.exit(main())

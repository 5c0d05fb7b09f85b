"""Alternates doorward's outbox and a paho-python publisher on one broker and prints how they compare.

Started by scripts/bench-outbox, which prepares everything and explains the arguments.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho

from mqtt import broker, ending
from mqtt.broker import Broker

INFLIGHT = 20
# Messages that are sent one by one.
PACED = 200
PATIENCE_S = 600


def ours(binary, server, events, qos):
    command = [
        binary, "bench", "outbox", "--json", "--broker", server.url(), "--ca", server.ca, "--inflight", INFLIGHT,
        "--events", events, "--paced", PACED, "--qos", qos,
    ]  # fmt: skip
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, check=False, preexec_fn=ending.with_parent
    )
    if done.returncode != 0:
        sys.exit(f"bench-outbox: doorward failed with exit code {done.returncode}")
    measured = json.loads(done.stdout)
    return {
        "bytes": measured["payload_bytes"],
        "recorded_per_second": measured["recorded_per_second"],
        "per_second": measured["drained_per_second"],
        "cpu_us": measured["cpu_us_per_event"],
        "commits": measured["commits_per_event"],
        "latency_ms": measured["latency"]["p50_ms"],
        "latency_p99_ms": measured["latency"]["p99_ms"],
    }


def theirs(server, events, qos, size):
    """Publishes everything at once, as fast as the library takes it, and then one by one."""
    left, connected, done = events, threading.Event(), threading.Event()

    def published(*_):
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.tls_set_context(broker.trust(server.ca))
    client.max_inflight_messages_set(INFLIGHT)
    client.on_connect = lambda *_: connected.set()
    client.on_publish = published
    client.connect(broker.HOST, server.port)
    client.loop_start()
    if not connected.wait(PATIENCE_S):
        sys.exit("bench-outbox: paho gets no connection")
    payload, topic = b"x" * size, "doorward-bench/paho/event/access"
    begin, cpu = time.perf_counter(), time.process_time()
    for _ in range(events):
        client.publish(topic, payload, qos=qos)
    if not done.wait(PATIENCE_S):
        sys.exit("bench-outbox: paho's messages are not acknowledged")
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    latencies = []
    for _ in range(PACED):
        begin = time.perf_counter()
        client.publish(topic, payload, qos=qos).wait_for_publish(PATIENCE_S)
        latencies.append((time.perf_counter() - begin) * 1e3)
    client.disconnect()
    client.loop_stop()
    return {
        "per_second": events / seconds,
        "cpu_us": cpu / events * 1e6,
        "latency_ms": statistics.median(latencies),
        "latency_p99_ms": statistics.quantiles(latencies, n=100)[98],
    }


def middle(rounds):
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0] if rounds[0][key] is not None}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench-outbox", add_help=False)
    parser.add_argument("--ours", type=Path, required=True)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--qos", type=int, choices=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.events < 1 or options.rounds < 1:
        parser.error("--events and --rounds must be at least 1")
    ending.end_in_order()
    with tempfile.TemporaryDirectory(prefix="doorward-bench-outbox-") as folder:
        server = Broker(folder, random.Random(), log="error")
        server.start()
        try:
            results = [compare(options, server, qos) for qos in [0, 1, 2] if options.qos in (None, qos)]
        finally:
            server.stop()
    if options.json:
        print(json.dumps({"events": options.events, "inflight": INFLIGHT, "results": results}))
    else:
        print_table(options.events, results)


def compare(options, server, qos):
    rounds = []
    for number in range(options.rounds):
        print(f"bench-outbox: QoS {qos}, round {number + 1} of {options.rounds}", file=sys.stderr)
        mine = ours(options.ours, server, options.events, qos)
        rounds.append((mine, theirs(server, options.events, qos, mine["bytes"])))
    return {"qos": qos, "ours": middle([one[0] for one in rounds]), "theirs": middle([one[1] for one in rounds])}


def print_table(events, results):
    size = results[0]["ours"]["bytes"]
    print(f"{events} messages of {size:.0f} bytes over TLS, {INFLIGHT} under way; durable is only ours")
    lines = [["QoS", "", "messages/s", "CPU each", "commits each", "one alone", "its p99"]]
    for result in results:
        for name in ["ours", "theirs"]:
            one = result[name]
            lines.append([
                str(result["qos"]) if name == "ours" else "", name, f"{one['per_second']:.0f}", f"{one['cpu_us']:.0f} µs",
                f"{one['commits']:.2f}" if "commits" in one else "0", f"{one['latency_ms']:.2f} ms",
                f"{one['latency_p99_ms']:.2f} ms",
            ])  # fmt: skip
        ratio = lambda key: f"{result['ours'][key] / result['theirs'][key]:.2f}"
        lines.append(["", "ratio", ratio("per_second"), ratio("cpu_us"), "", ratio("latency_ms"), ratio("latency_p99_ms")])
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths)))
    recorded = statistics.median(result["ours"]["recorded_per_second"] for result in results)
    print(f"ours recorded {recorded:.0f} events/s before that, one commit each")


if __name__ == "__main__":
    main()

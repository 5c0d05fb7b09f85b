"""One broker, one protocol: so many events, so many cuts, and what arrived."""

import asyncio
import contextlib
import json
import re
import socket
import sqlite3
import time

from mqtt.counter import Counter, tally
from mqtt.link import Link
from mqtt.publisher import TOPIC, Publisher

RETRY_MS = 1_000
LOOK_S = 0.01
# Without anything new for so long, a run is at its end: what has not arrived is lost.
STUCK_S = 60
QUIET_S = 3
# Ends that this script has made, some before the broker could answer.
OUR_DOING = re.compile(r"was cut|connection refused|closed the connection before|does not answer like an MQTT|failed: ")
# A cut falls somewhere into a connection's handshake (one of ten), or among messages. Nearer to the
# start nothing ever gets through, and what gives up then is not the broker.
HANDSHAKE = 400
IN_HANDSHAKE = 0.1
EVENT = 600
# What a door keeps under way at most (`mqtt.inflight`).
WINDOW = 20


class Server:
    """What the consumer and the publisher must know of a broker."""

    ca = None

    def __init__(self, port, login):
        self.port, self.login = port, login


class Survey:
    def __init__(self, broker, folder, program, random, *, protocol, events, cuts):
        self.broker, self.folder, self.random = broker, folder, random
        self.protocol, self.events, self.cuts = protocol, events, cuts
        self.port = free_port()
        self.link = Link(self.port)
        self._program = program
        self.process = self.counter = self.publisher = None
        self.made = 0

    async def run(self):
        """The row of the table."""
        began = time.monotonic()
        try:
            await self._start()
            await self._cut_all()
            await self._finish()
        finally:
            await self._end()
        # For whoever keeps the folder: event, sequence, whether marked, in the order of arrival.
        (self.folder / "arrived.jsonl").write_text("".join(json.dumps(one) + "\n" for one in self.counter.arrived))
        row = {"broker": self.broker.name, "protocol": self.protocol, "qos": 2, "cuts": self.made}
        recorded = self._recorded()
        row["events"] = len(recorded)
        row.update(tally(self.counter.arrived, recorded))
        row["diagnosis"] = self._diagnosis()
        row["seconds"] = round(time.monotonic() - began, 1)
        return row

    async def _start(self):
        self.process = self.broker.start(self.folder, self.port)
        await self._begun("it does not listen", lambda: listens(self.port))
        # Some listen before they can do what they will do.
        await asyncio.sleep(1)
        self.counter = Counter(Server(self.port, self.broker.login), TOPIC, self.protocol)
        await self._begun("no consumer can subscribe", self.counter.is_subscribed)
        await self.link.start()
        self.publisher = Publisher(
            self._program, self.folder, url=f"mqtt://127.0.0.1:{self.link.port}", ca=None,
            protocol=self.protocol, qos=2, events=self.events, retry_ms=RETRY_MS, login=self.broker.login,
            # As doors have it: some brokers refuse a will of QoS 2.
            state_qos=1,
        )  # fmt: skip
        await self.publisher.start()

    async def _cut_all(self):
        for number in range(self.cuts):
            target = self.events * (number + 1) // (self.cuts + 1)
            fired = self.link.arm_cut(self._byte(target), self.random.random() < 0.5)
            self.publisher.until(target, self.random.choice([0, 500, 5_000]))
            went_on = await self._until(lambda: fired.done() or self.publisher.drained == target)
            self.link.disarm()
            if not went_on:
                return
            self.made += fired.done() or self.link.cut()

    def _byte(self, target):
        """At which the connection is cut: anywhere among what may be waiting, which goes out at once."""
        if self.random.random() < IN_HANDSHAKE:
            return self.random.randrange(HANDSHAKE)
        waiting = min(WINDOW, target - max(0, self.publisher.drained))
        return HANDSHAKE + self.random.randrange(EVENT * (waiting + 1))

    async def _finish(self):
        self.publisher.until(self.events)
        await self._until(lambda: self.publisher.ended is not None)
        await self._until(lambda: self.counter.quiet_for() > QUIET_S)

    async def _end(self):
        if self.publisher:
            await self.publisher.kill()
        if self.counter:
            await asyncio.to_thread(self.counter.close)
        await self.link.close()
        if self.process:
            await asyncio.to_thread(self.broker.stop, self.process)

    async def _begun(self, otherwise, condition):
        end = time.monotonic() + self.broker.patience_s
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{otherwise}: {last_line(self.folder / 'broker.log')}")
            await asyncio.sleep(0.1)

    async def _until(self, condition):
        """As long as anything happens there is patience; what does not come then is the result. Whether it
        came."""
        last, since = None, time.monotonic()
        while not condition():
            if time.monotonic() - since > STUCK_S:
                return False
            await asyncio.sleep(LOOK_S)
            now = (self.publisher and self.publisher.drained, self.counter and len(self.counter.arrived))
            if now != last:
                last, since = now, time.monotonic()
        return True

    def _recorded(self):
        with contextlib.closing(sqlite3.connect(self.folder / "doorward.db")) as database:
            return {event for (event,) in database.execute("SELECT id FROM events WHERE kind = 'access.granted'")}

    def _diagnosis(self):
        """What the publisher said about the broker, other than that this script has cut its connection."""
        said = []
        for line in (self.folder / "publisher.log").read_text(errors="replace").splitlines():
            level, _, text = line.partition("doorward::mqtt: ")
            if "WARN" in level and "allow_plaintext" not in text and not OUR_DOING.search(text) and text not in said:
                said.append(text)
        return said[0][:120] if said else "-"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def last_line(path):
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"

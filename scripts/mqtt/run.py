"""One run: N events through every fault of its plan, and what arrived."""

import asyncio
import random
import re
import sqlite3
import time
from pathlib import Path

from mqtt.broker import Broker
from mqtt.counter import Counter, tally
from mqtt.link import Link
from mqtt.plan import KINDS, plan
from mqtt.publisher import TOPIC, Publisher

# Nothing that is waited for takes longer unless something is stuck.
STUCK_S = 120
LOOK_S = 0.003
# The consumer has everything that the broker had for it when nothing came for so long.
QUIET_S = 0.6
QUIET_AT_END_S = 3
# How Mosquitto's log names the protocols, and what it says of the publisher's connections.
LEVEL = {"5": "5", "3.1.1": "2"}
CONNECTION = re.compile(
    r" as doorward-chaos-door \(p(?P<level>\d), c(?P<clean>\d)"
    r"|Sending CONNACK to doorward-chaos-door \((?P<present>\d), 0\)"
)


class Stuck(Exception):
    """Something that must happen did not."""


class Run:
    def __init__(self, folder, program, *, seed, protocol, qos, events, counts, retry_ms):
        self.folder = Path(folder)
        # The same faults for the same seed, whatever else runs.
        self.random = random.Random(f"{seed} {protocol} {qos}")
        self.protocol, self.qos, self.events = protocol, qos, events
        self.retry_s = retry_ms / 1000
        self.plan = plan(self.random, qos, events, counts)
        self.broker = Broker(self.folder, random.Random())
        self.link = Link(self.broker.port)
        self.done = dict.fromkeys(KINDS, 0)
        self.target = 0
        self._options = {"program": program, "protocol": protocol, "qos": qos, "events": events, "retry_ms": retry_ms}
        self.publisher = self.counter = None

    async def run(self):
        """The row of the table."""
        began = time.monotonic()
        problem = None
        try:
            await self._start()
            for number, fault in enumerate(self.plan):
                await self._suffer(fault, number)
            await self._finish()
        except Stuck as stuck:
            problem = str(stuck)
        finally:
            await self._end()
        return self._row(time.monotonic() - began, problem)

    async def _start(self):
        self.broker.start()
        self.counter = Counter(self.broker, TOPIC)
        await self._until("the consumer is subscribed", self.counter.is_subscribed)
        await self.link.start()
        self.publisher = Publisher(
            folder=self.folder, url=self.broker.url(self.link.port), ca=self.broker.ca, **self._options
        )
        await self.publisher.start()

    async def _suffer(self, fault, number):
        """Records the events of one fault and lets it happen while they are under way."""
        publisher, link = self.publisher, self.link
        what = f"fault {number + 1} of {len(self.plan)}, {fault.kind}"
        self.target += fault.events
        if fault.while_down:
            publisher.until(self.target)
        else:
            await self._until(f"a connection ({what})", lambda: publisher.connected)
        fired = link.arm_cut(fault.at_byte, fault.reset) if fault.kind == "cut" else link.arm(fault.at_byte)
        if not fault.while_down:
            publisher.until(self.target, fault.pause_us)
        await self._until(
            f"messages on the link ({what})",
            lambda: fired.done() or (publisher.connected and publisher.drained == self.target),
        )
        link.disarm()
        hit = fired.done() or link.alive
        await getattr(self, f"_{fault.kind}")(fault, fired.done())
        self.done[fault.kind] += hit

    async def _cut(self, fault, done):
        if not done:
            self.link.cut(fault.reset)
        self.publisher.connected = False

    async def _kill(self, fault, _done):
        await asyncio.sleep(fault.seconds)
        await self.publisher.kill()
        # A supervisor would wait as well; some brokers hand a session over twice when asked at once.
        await asyncio.sleep(self.retry_s)
        await self.publisher.start()

    async def _restart(self, fault, _done):
        await asyncio.to_thread(self.broker.stop)
        self.publisher.connected = False
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self.broker.start)

    async def _slow(self, fault, _done):
        self.link.speed = fault.speed
        await asyncio.sleep(fault.seconds)
        self.link.speed = None

    async def _stall(self, fault, _done):
        await self.link.hold(*fault.directions)
        await asyncio.sleep(fault.seconds)
        await self.link.hold()

    async def _forget(self, _fault, _done):
        """The broker loses every session, the consumer's too, so that what the publisher may believe
        delivered must have reached the consumer first: answers are held back, whatever the broker
        has got by then goes to the consumer, and what was held back is lost with the connection."""
        counter = self.counter
        await self.link.hold("down")
        await self._consumed(QUIET_S)
        self.link.refuse = True
        await asyncio.to_thread(self.broker.stop)
        self.broker.forget()
        counter.expect_subscription()
        self.link.cut()
        self.publisher.connected = False
        await self.link.hold()
        await asyncio.to_thread(self.broker.start)
        await self._until("the consumer to subscribe again", counter.is_subscribed)
        self.link.refuse = False
        # If the CONNACK that says so is lost as well, the next one says that there is a session: a new,
        # empty one. No client can tell that from its own, and releases what the broker never had.
        await self._until("the publisher to hear of it", lambda: self.publisher.connected)

    async def _finish(self):
        """Peace: whatever is left must find its way now."""
        self.publisher.until(self.events)
        await self._until("everything to be recorded and sent", lambda: self.publisher.ended is not None)
        if self.publisher.ended != 0:
            raise Stuck(f"the publisher ended with exit code {self.publisher.ended}; see publisher.log")
        await self._consumed(QUIET_AT_END_S)

    async def _consumed(self, quiet_s):
        """Until the consumer has everything that the broker has for it; on a busy machine silence alone
        does not prove that."""
        counter, begun = self.counter, time.monotonic()
        what = "the consumer to have everything"
        await self._until(what, lambda: counter.connected and counter.quiet_for() > quiet_s)
        while self.broker.owes("counter"):
            if time.monotonic() - begun > STUCK_S:
                raise Stuck(f"waited {STUCK_S} s in vain: {what}")
            await asyncio.sleep(quiet_s)
            await self._until(what, lambda: counter.connected and counter.quiet_for() > quiet_s)

    async def _end(self):
        if self.publisher:
            await self.publisher.kill()
        if self.counter:
            await asyncio.to_thread(self.counter.close)
        await self.link.close()
        await asyncio.to_thread(self.broker.stop)

    async def _until(self, what, condition):
        """As long as anything happens (a connection, a byte, a message), there is patience."""
        last, since = None, time.monotonic()
        while not condition():
            await asyncio.sleep(LOOK_S)
            if self.publisher and self.publisher.ended not in (None, 0):
                raise Stuck(f"the publisher ended with exit code {self.publisher.ended}; see publisher.log")
            now = (self.publisher and self.publisher.drained, self.counter and len(self.counter.arrived))
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() - since > STUCK_S:
                raise Stuck(f"waited {STUCK_S} s in vain: {what}")

    def _row(self, seconds, problem):
        row = {**self.done, "seconds": round(seconds, 1)}
        levels, row["forget"] = sessions(self.broker.log())
        row["connections"] = self.publisher.connections if self.publisher else 0
        row["under_way"] = sum(1 for count in self.publisher.interrupted if count) if self.publisher else 0
        recorded = self._recorded()
        row["events"] = len(recorded)
        row.update(tally(self.counter.arrived if self.counter else [], recorded))
        row["problems"] = [problem] if problem else self._problems(row, levels)
        return row

    def _recorded(self):
        """The ids in the database, which is what counts: a killed process may have recorded more than it said."""
        database = sqlite3.connect(self.folder / "doorward.db")
        try:
            return {event for (event,) in database.execute("SELECT id FROM events WHERE kind = 'access.granted'")}
        finally:
            database.close()

    def _problems(self, row, levels):
        """Which promises were broken."""
        forgot = row["forget"] > 0
        broken = []

        def expect(holds, text):
            if not holds:
                broken.append(text)

        expect(row["events"] == self.events, f"{row['events']} events recorded, not {self.events}")
        expect(row["unknown"] == 0, f"{row['unknown']} events arrived that nobody recorded")
        expect(self.publisher.rejected == 0, f"{self.publisher.rejected} messages refused")
        if self.qos > 0:
            expect(row["lost"] == 0, f"{row['lost']} lost")
        if self.qos == 2 and not forgot:
            expect(row["duplicated"] == 0, f"{row['duplicated']} duplicated")
        if self.qos == 2 and forgot and self.protocol == "5":
            expect(row["unmarked"] == 0, f"{row['unmarked']} duplicated without a mark")
        expect(levels == {LEVEL[self.protocol]}, f"the publisher spoke another protocol than {self.protocol}")
        return broken


def sessions(log):
    """Which protocols the publisher spoke, and how often the broker had not got the session that it
    asked for. Made to forget or not: Mosquitto 2.0 does not save a session that began with a clean
    start until it is resumed once."""
    levels, forgotten, clean, before = set(), 0, None, None
    for found in CONNECTION.finditer(log):
        if found["level"]:
            levels.add(found["level"])
            before, clean = clean, found["clean"]
        # With MQTT 3.1.1 a clean session ends with its connection, so the next one finds none.
        elif found["present"] == "0" and clean == "0" and not (before == "1" and "2" in levels):
            forgotten += 1
    return levels, forgotten

"""Which faults happen when: everything that is left to chance, drawn from the seed before the run."""

import dataclasses

# Bytes that pass the link, both directions together: measured, so that a byte can be chosen at which
# messages are under way.
HANDSHAKE = 2_400
EVENT = {0: 540, 1: 570, 2: 600}
# Share of the cuts that hit a handshake, and of the batches that are recorded while there is no connection.
IN_HANDSHAKE = 0.1
WHILE_DOWN = 0.4

KINDS = ("kill", "cut", "restart", "slow", "stall", "forget")


@dataclasses.dataclass
class Fault:
    kind: str
    # So many events are recorded for it.
    events: int
    # At this byte of the connection (or, if the connection is waited for, after it was accepted).
    at_byte: int
    # Recorded before there is a connection again, or one by one while there is one.
    while_down: bool
    pause_us: int
    # RST instead of FIN.
    reset: bool
    # How long it lasts, or how long after the byte it happens.
    seconds: float
    # Slow: bytes a second and delay in seconds. Stall: which directions.
    speed: tuple[int, float]
    directions: tuple[str, ...]


def plan(random, qos, events, counts):
    """A shuffled list of faults that together need fewer events than there are."""
    kinds = [kind for kind in KINDS for _ in range(counts.get(kind, 0))]
    random.shuffle(kinds)
    # One part more than faults: some events come after the last.
    weights = [0.5 + random.random() for _ in range(len(kinds) + 1)]
    faults = []
    for kind, weight in zip(kinds, weights):
        batch = max(1, int(events * weight / sum(weights)))
        faults.append(_fault(random, kind, batch, qos))
    return faults


def _fault(random, kind, batch, qos):
    while_down = random.random() < WHILE_DOWN
    at_byte = int(random.random() * batch * EVENT[qos])
    if kind == "cut" and random.random() < IN_HANDSHAKE:
        while_down, at_byte = True, random.randrange(HANDSHAKE)
    elif while_down:
        at_byte += HANDSHAKE
    seconds = {
        "kill": random.uniform(0, 0.003),
        "cut": 0.0,
        "restart": random.uniform(0, 0.5),
        "slow": random.uniform(2, 5),
        "stall": random.uniform(1, 15),
        "forget": 0.0,
    }[kind]
    return Fault(
        kind=kind,
        events=batch,
        at_byte=at_byte,
        while_down=while_down,
        pause_us=random.choice([0, 500, 2_000, 10_000]),
        reset=random.random() < 0.5,
        seconds=seconds,
        speed=(random.randrange(1_000, 20_000), random.uniform(0.02, 0.5)),
        directions=random.choice([("up",), ("down",), ("up", "down")]),
    )

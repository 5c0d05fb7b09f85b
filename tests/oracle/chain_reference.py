#!/usr/bin/env python3
"""Recomputes chain hashes as docs/audit.md describes them, with nothing but the standard library.

Its output is the vector in core/src/event/chain/tests.rs. With the path of a database it recomputes
the hashes of all its events instead and exits with 1 when one differs.
"""

import hashlib
import sqlite3
import struct
import sys
import uuid


def text(value):
    encoded = value.encode()
    return struct.pack(">Q", len(encoded)) + encoded


def link(previous, seq, event_id, time, kind, by, clock_synced, data):
    author = b"\x00" if by is None else b"\x01" + text(by)
    return hashlib.sha256(
        b"doorward.event.v1\x00"
        + previous
        + struct.pack(">Q", seq)
        + uuid.UUID(event_id).bytes
        + text(time)
        + text(kind)
        + author
        + (b"\x01" if clock_synced else b"\x00")
        + text(data)
    ).digest()


def database(path):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (previous,) = connection.execute("SELECT hash FROM chain_start").fetchone()
    rows = connection.execute(
        "SELECT seq, id, time, kind, by, clock_synced, data, hash FROM events ORDER BY seq"
    )
    for *row, stored in rows:
        previous = link(previous, *row)
        if previous != stored:
            sys.exit(f"event {row[0]} is not what was recorded")
    print("ok", previous.hex())


if len(sys.argv) > 1:
    database(sys.argv[1])
else:
    first = link(
        bytes(32),
        1,
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "2026-03-04T05:06:07.890Z",
        "door.secured",
        None,
        True,
        '{"cause":"stop"}',
    )
    second = link(
        first,
        2,
        "01890a5d-ac96-774b-bcce-b302099a8058",
        "2026-03-04T05:06:08.000Z",
        "admin.mode_set",
        "cli:zoë",
        False,
        '{"mode":"lockdown"}',
    )
    print(first.hex())
    print(second.hex())

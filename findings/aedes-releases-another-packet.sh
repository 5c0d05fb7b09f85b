#!/usr/bin/env bash
# aedes 1.2.0 answers a PUBREC of a consumer with a PUBREL of an id that it never sent a PUBLISH with, when
# several messages of QoS 2 go to a consumer with a persistent session (clean session 0) at once. The
# message is never released: a consumer that hands a message on when it is released never does, though its
# publisher has had PUBCOMP. No connection is cut, every packet is answered at once.
# npm aedes 1.2.0 with its memory persistence, MQTT 3.1.1, ten times ten messages in one write; seen (the
# numbers vary, 4 to 9 of 100, most often the first of ten were not released):
#   100 confirmed to the publisher, 100 published to the consumer
#   released: fewer; PUBREL with an id that was not published: some
# and with a consumer of clean session 1 in its place:
#   100 confirmed to the publisher, 100 published to the consumer
#   released: all; PUBREL with an id that was not published: none
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

command -v node >/dev/null && command -v npm >/dev/null || not_to_be_had "node and npm are needed"
npm install --silent --no-fund --no-audit --prefix "$work" aedes@1.2.0 >&2 || not_to_be_had "aedes 1.2.0"
sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >"$work/described"
port=$(free_port)
NODE_PATH=$work/node_modules node -e "
    const { Aedes } = require('aedes');
    Aedes.createBroker().then((broker) => require('net').createServer(broker.handle).listen($port, '127.0.0.1'));" &
pids+=($!)
listening "$port" 20
python3 - "$port" >"$work/seen" <<'PY'
import struct
import sys
import threading
from wire import Client, text

port = int(sys.argv[1])


def message(number):
    body = text("t") + struct.pack("!H", number % 10 + 1) + b"%d" % number
    return bytes([0x34, len(body)]) + body


def consume(client, published, held, wrong):
    while True:
        kind, body = client.read(5)
        if kind in ("closed", "silent"):
            return
        if kind >> 4 == 3:
            pkid = body[3:5]
            published.append(body[5:])
            held[pkid] = body[5:]
            client.send(0x50, pkid)
        elif kind >> 4 == 6:
            if held.pop(body[:2], None) is None:
                wrong.append(body[:2])
            client.send(0x70, body[:2])


for clean in (False, True):
    published, held, wrong, confirmed = [], {}, [], 0
    consumer = Client(port, f"consumer {clean}", 4, clean=clean)
    assert consumer.subscribe("t", 2) == 2
    reading = threading.Thread(target=consume, args=(consumer, published, held, wrong))
    reading.start()
    publisher = Client(port, f"publisher {clean}", 4, clean=False)
    for burst in range(10):
        publisher.socket.sendall(b"".join(message(burst * 10 + i) for i in range(10)))
        done = 0
        while done < 10:
            kind, body = publisher.read()
            if kind == 0x50:
                publisher.release(struct.unpack("!H", body[:2])[0])
            assert kind in (0x50, 0x70), kind
            done += kind == 0x70
        confirmed += done
    reading.join()
    print(len(held), "not released,", len(wrong), "wrong", file=sys.stderr)
    print(f"{confirmed} confirmed to the publisher, {len(set(published))} published to the consumer")
    print(f"released: {'fewer' if held else 'all'}; PUBREL with an id that was not published: {'some' if wrong else 'none'}")
PY
expect "$work/described" <"$work/seen"

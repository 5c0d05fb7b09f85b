#!/usr/bin/env bash
# Mosquitto 2.0.11 tells an MQTT 5 client nothing when another one takes its client id: it closes. The
# standard has DISCONNECT 0x8E for it ("session taken over"), which 2.1.2 sends.
# Debian 2.0.11-1.2+deb12u2 and 2.1.2-3; seen:
#   2.0.11: closed without a packet
#   2.1.2: DISCONNECT 0x8e
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian bookworm mosquitto 2.0.11-1.2+deb12u2
debian forky mosquitto 2.1.2-3
sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >"$work/described"
for pair in bookworm:2.0.11 forky:2.1.2; do
    port=$(free_port)
    printf 'user root\nlistener %s 127.0.0.1\nallow_anonymous true\n' "$port" >"$work/conf"
    mosquitto "${pair%:*}" "$work/conf"
    listening "$port" 10
    python3 - "$port" "${pair#*:}" <<'PY'
import sys
from wire import Client

port, version = int(sys.argv[1]), sys.argv[2]
first = Client(port, "same", 5)
second = Client(port, "same", 5)
kind, body = first.read()
print(f"{version}:", "closed without a packet" if kind == "closed" else f"DISCONNECT {body[0]:#x}" if kind == 0xE0 else kind)
PY
done >"$work/seen"
expect "$work/described" <"$work/seen"

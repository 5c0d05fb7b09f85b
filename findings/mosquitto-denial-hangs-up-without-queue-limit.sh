#!/usr/bin/env bash
# Mosquitto 2.0.11 ends the connection of a client that publishes where its rules do not allow it, after a
# proper answer, if (and only if) `max_queued_messages 0` is set: no limit for what waits for consumers,
# which has nothing to do with publishing. 2.1.2 does not.
# Debian 2.0.11-1.2+deb12u2 and 2.1.2-3, one denied PUBLISH of QoS 1 with MQTT 5; seen:
#   2.0.11, max_queued_messages 1000: PUBACK 0x87, then connected
#   2.0.11, max_queued_messages 0: PUBACK 0x87, then closed
#   2.1.2, max_queued_messages 1000: PUBACK 0x87, then connected
#   2.1.2, max_queued_messages 0: PUBACK 0x87, then connected
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian bookworm mosquitto 2.0.11-1.2+deb12u2
debian forky mosquitto 2.1.2-3
sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >"$work/described"
echo 'topic readwrite allowed/#' >"$work/acl"
for pair in bookworm:2.0.11 forky:2.1.2; do
    for most in 1000 0; do
        port=$(free_port)
        printf 'user root\nlistener %s 127.0.0.1\nallow_anonymous true\nacl_file %s\nmax_queued_messages %s\n' \
            "$port" "$work/acl" "$most" >"$work/conf"
        mosquitto "${pair%:*}" "$work/conf"
        listening "$port" 20
        python3 - "$port" "${pair#*:}" "$most" <<'PY'
import sys
from wire import Client

port, version, most = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = Client(port, "a", 5)
client.publish("denied", b"x", qos=1)
kind, body = client.read()
said = f"PUBACK {body[2]:#x}" if kind == 0x40 else kind
then = {"silent": "connected"}.get(client.read(2)[0], "closed")
print(f"{version}, max_queued_messages {most}: {said}, then {then}")
PY
    done
done >"$work/seen"
expect "$work/described" <"$work/seen"

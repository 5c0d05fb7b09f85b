#!/usr/bin/env bash
# Mosquitto does not save the session of an MQTT 5 client that began it with Clean Start, however long its
# session expiry interval is, until the client has come back to it once: a restart in good order, with
# persistence, forgets it with its subscriptions. The session of an MQTT 3.1.1 client is saved at once.
# Debian 2.0.11-1.2+deb12u2 and 2.1.2-3; session present after the restart, seen:
#   2.0.11: MQTT 5 never resumed 0, MQTT 5 resumed once 1, MQTT 3.1.1 never resumed 1
#   2.1.2: MQTT 5 never resumed 0, MQTT 5 resumed once 1, MQTT 3.1.1 never resumed 1
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian bookworm mosquitto 2.0.11-1.2+deb12u2
debian forky mosquitto 2.1.2-3
sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >"$work/described"
for pair in bookworm:2.0.11 forky:2.1.2; do
    port=$(free_port)
    mkdir "$work/data-$port"
    printf 'user root\nlistener %s 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location %s/\n' \
        "$port" "$work/data-$port" >"$work/conf"
    mosquitto "${pair%:*}" "$work/conf"
    listening "$port" 20
    python3 - "$port" <<'PY'
import sys
from wire import Client

port = int(sys.argv[1])
for name, level, resumed in [("never", 5, False), ("once", 5, True), ("older", 4, False)]:
    client = Client(port, name, level, clean=level == 5, expiry=3600 if level == 5 else 0)
    assert client.subscribe("t", 1) == 1
    client.goodbye()
    if resumed:
        client = Client(port, name, level, clean=False, expiry=3600)
        assert client.session_present
        client.goodbye()
PY
    kill "${pids[-1]}"
    wait "${pids[-1]}" || true
    mosquitto "${pair%:*}" "$work/conf"
    listening "$port" 20
    python3 - "$port" "${pair#*:}" <<'PY'
import sys
from wire import Client

port, version = int(sys.argv[1]), sys.argv[2]
present = [Client(port, name, level, clean=False).session_present for name, level in [("never", 5), ("once", 5), ("older", 4)]]
print("{}: MQTT 5 never resumed {}, MQTT 5 resumed once {}, MQTT 3.1.1 never resumed {}".format(version, *present))
PY
done >"$work/seen"
expect "$work/described" <"$work/seen"

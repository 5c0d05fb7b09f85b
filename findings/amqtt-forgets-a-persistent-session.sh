#!/usr/bin/env bash
# amqtt 0.12.1 has forgotten a session with clean session 0 as soon as its client is away: the client that
# comes back is told "session present 0", gets nothing that came meanwhile, and is subscribed to nothing.
# PyPI amqtt 0.12.1 with its anonymous plugin, MQTT 3.1.1, DISCONNECT and back after a second; seen:
#   session present: 0
#   sent while it was away: silent
#   sent when it was back: silent
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python3 -m venv "$work/python" || not_to_be_had "Python with venv is needed"
"$work/python/bin/pip" install --quiet --disable-pip-version-check amqtt==0.12.1 >&2 || not_to_be_had "amqtt 0.12.1"
sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >"$work/described"
port=$(free_port)
cat >"$work/amqtt.yaml" <<YAML
listeners: {default: {type: tcp, bind: "127.0.0.1:$port"}}
plugins: {amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}}
YAML
(cd "$work" && exec python/bin/amqtt -c amqtt.yaml >/dev/null 2>&1) &
pids+=($!)
listening "$port" 30
python3 - "$port" >"$work/seen" <<'PY'
import sys
import time
from wire import Client

port = int(sys.argv[1])
client = Client(port, "consumer", 4, clean=False)
assert client.subscribe("t", 1) == 1
client.goodbye()
time.sleep(1)
other = Client(port, "publisher", 4)
other.publish("t", b"away", qos=1, pkid=1)
assert other.read()[0] == 0x40
client = Client(port, "consumer", 4, clean=False)
print("session present:", client.session_present)
print("sent while it was away:", client.read(3)[0])
other.publish("t", b"back", qos=1, pkid=2)
assert other.read()[0] == 0x40
print("sent when it was back:", client.read(3)[0])
PY
expect "$work/described" <"$work/seen"

#!/usr/bin/env bash
# RabbitMQ's MQTT plugin answers a PUBLISH of QoS 2 from an MQTT 3.1.1 client with PUBACK, the answer to
# QoS 1, and a PUBREL with nothing. Its SUBACK says plainly that QoS 2 is lowered to 1; for what a client
# publishes, 3.1.1 has no word for that, and clients that wait for PUBREC wait for ever.
# Debian rabbitmq-server 3.10.8-1.1+deb12u1 with rabbitmq_mqtt; seen:
#   SUBACK to a subscription of QoS 2: 1
#   PUBLISH of QoS 2, id 7: PUBACK, id 7
#   PUBREL, id 7: silent
# Needs root, for a root folder of its own.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

((EUID == 0)) || not_to_be_had "root is needed"
debian bookworm rabbitmq-server 3.10.8-1.1+deb12u1 \
    bash coreutils dash sed grep procps mawk hostname util-linux findutils
sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >"$work/described"
root=$work/bookworm
port=$(free_port)
mkdir -p "$root"/{proc,dev,tmp,run/broker,var/tmp,etc}
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo '127.0.0.1 localhost broker' >"$root/etc/hosts"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
printf 'listeners.tcp = none\nmqtt.listeners.tcp.1 = 127.0.0.1:%s\nmqtt.allow_anonymous = true\n' \
    "$port" >"$root/run/broker/rabbitmq.conf"
echo '[rabbitmq_mqtt].' >"$root/run/broker/enabled_plugins"
# It has its own processes and host name, and all of them end with the first.
cat >"$work/start" <<'START'
hostname broker
mount -t proc proc "$1/proc"
exec chroot "$1" /usr/bin/env HOME=/run/broker RABBITMQ_NODENAME=rabbit@localhost \
    RABBITMQ_MNESIA_BASE=/run/broker/data RABBITMQ_LOGS=- RABBITMQ_CONFIG_FILE=/run/broker/rabbitmq \
    RABBITMQ_ENABLED_PLUGINS_FILE=/run/broker/enabled_plugins /bin/sh /usr/lib/rabbitmq/bin/rabbitmq-server
START
unshare --mount --uts --pid --fork --kill-child sh "$work/start" "$root" >/dev/null 2>&1 &
broker=$!
# unshare passes no SIGTERM on; killed, it takes everything with it.
end_broker() {
    kill -KILL "$broker" 2>/dev/null || true
    wait "$broker" 2>/dev/null || true
}
trap 'end_broker; sleep 1; at_end' EXIT
listening "$port" 120
sleep 2
python3 - "$port" >"$work/seen" <<'PY'
import sys
from wire import Client

NAMES = {0x40: "PUBACK", 0x50: "PUBREC", 0x70: "PUBCOMP"}
client = Client(int(sys.argv[1]), "door", 4)
print("SUBACK to a subscription of QoS 2:", client.subscribe("t", 2))
client.publish("other", b"x", qos=2, pkid=7)
kind, body = client.read()
print(f"PUBLISH of QoS 2, id 7: {NAMES.get(kind, kind)}, id {body[1] if body else '-'}")
client.release(7)
kind, _ = client.read(3)
print(f"PUBREL, id 7: {NAMES.get(kind, kind)}")
PY
expect "$work/described" <"$work/seen"

"""The consumer that counts: paho with a persistent session at QoS 2, on a connection of its own."""

import json
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from mqtt import broker

MAYBE_DUP = ("maybe-dup", "true")
DAY_S = 86_400
# With the usual 20, Mosquitto 2.0 overruns its own consumer after an absence.
RECEIVE_MAXIMUM = 65_535


class Counter:
    """Everything that arrived, in the order in which it did: (event id, sequence, whether marked)."""

    def __init__(self, server, topic, protocol="5"):
        self.arrived = []
        self.last = time.monotonic()
        self.connected = False
        self._topic = topic
        self._subscribed = threading.Event()
        version = {"5": {"protocol": paho.MQTTv5}, "3.1.1": {"protocol": paho.MQTTv311, "clean_session": False}}
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="counter", **version[protocol])
        if server.ca is not None:
            client.tls_set_context(broker.trust(server.ca))
        if login := getattr(server, "login", None):
            client.username_pw_set(*login)
        # The shortest that it can do, so that no restart costs more than it must.
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._message
        options = {}
        if protocol == "5":
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = DAY_S
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            options = {"clean_start": False, "properties": properties}
        host = broker.HOST if server.ca is not None else "127.0.0.1"
        client.connect(host, server.port, keepalive=30, **options)
        client.loop_start()
        self._client = client

    def expect_subscription(self):
        """The next one: to be called before the broker forgets the present one."""
        self._subscribed.clear()

    def is_subscribed(self):
        return self._subscribed.is_set()

    def quiet_for(self):
        """Seconds since something arrived, or could have."""
        return time.monotonic() - self.last

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client, _userdata, flags, reason, _properties):
        self.last = time.monotonic()
        self.connected = not reason.is_failure
        if self.connected and not flags.session_present:
            client.subscribe(self._topic, qos=2)

    def _disconnected(self, *_):
        self.connected = False

    def _message(self, _client, _userdata, message):
        event = json.loads(message.payload)
        properties = getattr(getattr(message, "properties", None), "UserProperty", [])
        self.arrived.append((event["id"], int(event["sequence"]), MAYBE_DUP in properties))
        self.last = time.monotonic()


def tally(arrived, recorded):
    """What became of the recorded events (ids)."""
    seen, duplicated, unmarked, late, highest = set(), 0, 0, 0, 0
    marked = 0
    for event, sequence, is_marked in arrived:
        marked += is_marked
        if event in seen:
            duplicated += 1
            unmarked += not is_marked
        seen.add(event)
        late += sequence < highest
        highest = max(highest, sequence)
    return {
        "received": len(arrived),
        "lost": len(recorded - seen),
        "unknown": len(seen - recorded),
        "duplicated": duplicated,
        "unmarked": unmarked,
        "marked": marked,
        "out_of_order": late,
    }

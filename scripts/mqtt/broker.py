"""A private Mosquitto in a folder of its own: TLS with a private CA, sessions that survive a restart."""

import contextlib
import getpass
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

from mqtt.ending import with_parent

HOST = "localhost"
# How long a start or an end may take.
PATIENCE_S = 20


class Broker:
    """Not started yet; `start` and `stop` as often as wanted, always on the same port."""

    def __init__(self, folder, random, log="all"):
        self.folder = Path(folder)
        self.port = free_port(random)
        self.process = None
        self._remembers_since = 0
        make_certificates(self.folder)
        # As the one who runs this: Mosquitto would change to a user who cannot read the folder.
        (self.folder / "mosquitto.conf").write_text(
            f"user {getpass.getuser()}\n"
            f"listener {self.port} {HOST}\n"
            f"cafile {self.ca}\n"
            f"certfile {self.folder / 'broker.pem'}\n"
            f"keyfile {self.folder / 'broker.key'}\n"
            "allow_anonymous true\n"
            "persistence true\n"
            f"persistence_location {self.folder}/\n"
            "autosave_interval 1\n"
            "set_tcp_nodelay true\n"
            # A consumer that is behind must not lose anything silently.
            "max_queued_messages 0\n"
            f"log_type {log}\n"
            "connection_messages true\n"
        )

    @property
    def ca(self):
        return self.folder / "ca.pem"

    def url(self, port=None):
        return f"mqtts://{HOST}:{port or self.port}"

    def start(self):
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                [mosquitto(), "-c", str(self.folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=with_parent,
            )
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"Mosquitto does not listen; see {self.folder / 'mosquitto.log'}")

    def stop(self):
        """In good order: it saves its sessions."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
            self.process = None

    def forget(self):
        """Everything it had saved; only while it is stopped."""
        (self.folder / "mosquitto.db").unlink()
        self._remembers_since = len(self.log())

    def owes(self, client):
        """Messages at QoS 2 that this client has not acknowledged to the end, by the broker's own log."""
        owed = set()
        for sent, done in re.findall(
            rf"Sending PUBLISH to {client} \(d\d, q2, r\d, m(\d+)|Received PUBCOMP from {client} \(Mid: (\d+)",
            self.log()[self._remembers_since :],
        ):
            owed.add(sent) if sent else owed.discard(done)
        return len(owed)

    def log(self):
        return (self.folder / "mosquitto.log").read_text(errors="replace")


def mosquitto():
    # Debian puts it where only root's PATH leads.
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError("needs Mosquitto (Debian: apt install mosquitto)")
    return found


def free_port(random):
    """One that stays free while the broker is restarted: the system gives those above to connections."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as limits:
        highest = int(limits.read().split()[0])
    while True:
        port = random.randrange(min(10_000, highest // 2), highest)
        try:
            for family, address in [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]:
                with socket.socket(family) as probe:
                    probe.bind((address, port))
            return port
        except OSError:
            continue


def make_certificates(folder):
    """ca.pem, and broker.pem with broker.key for this machine's own name."""
    openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "30", "-subj", "/CN=private CA", "-keyout", "ca.key", "-out", "ca.pem",
    )  # fmt: skip
    openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", f"/CN={HOST}", "-keyout", "broker.key", "-out", "broker.csr",
    )  # fmt: skip
    (folder / "broker.ext").write_text(
        f"subjectAltName=DNS:{HOST},IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
    )
    openssl(
        folder, "x509", "-req", "-in", "broker.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "30", "-extfile", "broker.ext", "-out", "broker.pem",
    )  # fmt: skip


def openssl(folder, *arguments):
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")


def trust(ca):
    """A TLS context of a client that trusts nobody but this CA."""
    return ssl.create_default_context(cafile=str(ca))

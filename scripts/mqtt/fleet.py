"""Brokers of other people, each fetched with its own package client and run in a temporary folder.

Debian's packages are unpacked beside the system, not installed: Mosquitto runs with the loader and the
libraries of its own release, the Erlang brokers in a root of their own.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mqtt.ending import with_parent

CACHE = Path(".cache/brokers").absolute()
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What the start scripts of the Erlang brokers call.
TOOLS = ["bash", "coreutils", "dash", "sed", "grep", "procps", "mawk", "hostname", "util-linux", "findutils"]


class Missing(Exception):
    """This broker cannot be had here."""


class Broker:
    """One kind: `protocols` that it speaks, `fetch` once, then `command` to start it on a port."""

    protocols = ("5", "3.1.1")
    # How long a start may take.
    patience_s = 30
    # User name and password, where it lets in nobody without.
    login = None

    def __init__(self, name):
        self.name = name
        self.home = CACHE / name

    def fetch(self):
        """Whatever it needs into the cache; says what is missing."""

    def program(self):
        """What was fetched."""
        return self.home

    def command(self, folder, port):
        raise NotImplementedError

    def environment(self, _folder):
        return dict(os.environ)

    def start(self, folder, port):
        with (folder / "broker.log").open("ab") as log:
            return subprocess.Popen(
                [str(part) for part in self.command(folder, port)],
                cwd=folder, env=self.environment(folder), preexec_fn=with_parent,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip


    def stop(self, process):
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Mosquitto(Broker):
    """The installed one, or that of another release of Debian."""

    def __init__(self, name, suite=None, version=None):
        super().__init__(name)
        self._suite, self._version = suite, version

    def fetch(self):
        if self._suite is None:
            if self.program() is None:
                raise Missing("it is not installed")
            return
        unpack(self.home, self._suite, "mosquitto", self._version)
        libraries = self.home / "usr/lib/x86_64-linux-gnu"
        subprocess.run(["/sbin/ldconfig", "-n", libraries], check=True, capture_output=True)
        program = self.home / "mosquitto"
        program.write_text(
            f'#!/bin/sh\nexec {libraries}/ld-linux-x86-64.so.2 --library-path {libraries} {self.home}/usr/sbin/mosquitto "$@"\n'
        )
        program.chmod(0o755)

    def program(self):
        if self._suite is None:
            return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        return self.home / "mosquitto"

    def command(self, folder, port):
        (folder / "mosquitto.conf").write_text(
            f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nmax_queued_messages 100000\nset_tcp_nodelay true\n"
        )
        return [self.program(), "-c", folder / "mosquitto.conf"]


class Rooted(Broker):
    """A broker of Debian's in a root of its own."""

    patience_s = 120
    package = suite = version = None

    def fetch(self):
        if os.geteuid() != 0:
            raise Missing("needs root, for a root of its own")
        unpack(self.home, self.suite, self.package, self.version, TOOLS)
        for name in ("proc", "dev", "tmp", "run", "var/tmp"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        (self.home / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (self.home / "etc/group").write_text("root:x:0:\n")
        (self.home / "etc/hosts").write_text("127.0.0.1 localhost broker\n")
        for name in ("null", "urandom", "random"):
            device = self.home / "dev" / name
            if not device.exists():
                subprocess.run(["mknod", device, "c", "1", {"null": "3", "random": "8", "urandom": "9"}[name]], check=True)
                device.chmod(0o666)

    def stop(self, process):
        """unshare passes no signal on, but whatever is inside ends with it."""
        process.kill()
        process.wait()
        shutil.rmtree(self.home / "run/broker", ignore_errors=True)

    def inside(self, folder, script):
        """`script` in the root, with its own processes, mounts and host name; it all ends together."""
        state = self.home / "run/broker"
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(folder, state)
        return [
            "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "sh", "-c",
            f"hostname broker; mount -t proc proc {self.home}/proc; exec chroot {self.home} /bin/sh -c '{script}'",
        ]  # fmt: skip


class RabbitMq(Rooted):
    package = "rabbitmq-server"

    def __init__(self, name, suite, version):
        super().__init__(name)
        self.suite, self.version = suite, version
        # MQTT 5 came with 3.13.
        if version.startswith("3.10"):
            self.protocols = ("3.1.1",)

    def command(self, folder, port):
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\nmqtt.listeners.tcp.1 = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\n"
            "anonymous_login_user = guest\nanonymous_login_pass = guest\n"
            if not self.version.startswith("3.")
            else f"listeners.tcp = none\nmqtt.listeners.tcp.1 = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\n"
        )
        (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        home = "/run/broker"
        return self.inside(
            folder,
            f"HOME={home} RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_MNESIA_BASE={home}/data RABBITMQ_LOGS=- "
            f"RABBITMQ_CONFIG_FILE={home}/rabbitmq RABBITMQ_ENABLED_PLUGINS_FILE={home}/enabled_plugins "
            "exec sh /usr/lib/rabbitmq/bin/rabbitmq-server",
        )


class Ejabberd(Rooted):
    package, suite = "ejabberd", "bookworm"
    # Anybody may be anybody, but with a password.
    login = ("guest", "guest")

    def __init__(self, name, version):
        super().__init__(name)
        self.version = version

    def command(self, folder, port):
        (folder / "ejabberd.yml").write_text(
            "hosts: [localhost]\nloglevel: info\n"
            f"listen:\n  - {{port: {port}, ip: 127.0.0.1, module: mod_mqtt, backlog: 100}}\n"
            "auth_method: [anonymous]\nallow_multiple_connections: true\nanonymous_protocol: login_anon\n"
            "modules:\n  mod_mqtt: {}\n"
        )
        home = "/run/broker"
        return self.inside(
            folder,
            f"HOME={home} exec erl -noinput -sname ejabberd@localhost -pa $(echo /usr/lib/*/ejabberd-*/ebin /usr/lib/ejabberd-*/ebin) "
            f'-mnesia dir "\\"{home}/data\\"" -ejabberd config "\\"{home}/ejabberd.yml\\"" log_path "\\"{home}/log\\"" -s ejabberd',
        )


class Aedes(Broker):
    protocols = ("3.1.1",)

    def fetch(self):
        if (self.home / "node_modules/aedes").exists():
            return
        if shutil.which("npm") is None or shutil.which("node") is None:
            raise Missing("needs node and npm")
        self.home.mkdir(parents=True, exist_ok=True)
        fetched(["npm", "install", "--no-fund", "--no-audit", f"aedes@{self.name.partition('-')[2]}"], self.home)

    def command(self, folder, port):
        program = (
            "const { Aedes } = require('aedes');"
            "Aedes.createBroker().then((broker) =>"
            f" require('net').createServer(broker.handle).listen({port}, '127.0.0.1'));"
        )
        return ["node", "-e", program]

    def environment(self, folder):
        return {**super().environment(folder), "NODE_PATH": str(self.home / "node_modules")}


class Amqtt(Broker):
    protocols = ("3.1.1",)

    def fetch(self):
        if (self.home / "complete").exists():
            return
        fetched([sys.executable, "-m", "venv", self.home], Path.cwd())
        fetched([self.home / "bin/pip", "install", "--quiet", f"amqtt=={self.name.partition('-')[2]}"], Path.cwd())
        (self.home / "complete").touch()

    def command(self, folder, port):
        (folder / "amqtt.yaml").write_text(
            json.dumps({
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            })
        )  # fmt: skip
        return [self.home / "bin/amqtt", "-c", folder / "amqtt.yaml"]


def unpack(home, suite, package, version, more=()):
    """A package of a release of Debian and all that it needs, checked by the package client."""
    done = home / "complete"
    if done.exists() and done.read_text() == version:
        return
    shutil.rmtree(home, ignore_errors=True)
    state = home / "apt"
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    (state / "apt.conf").write_text(
        f'Dir::State "{state}";\nDir::State::status "{state}/status";\nDir::State::lists "{state}/lists";\n'
        f'Dir::Cache "{state}";\nDir::Cache::archives "{state}/archives";\n'
        f'Dir::Etc::sourcelist "{state}/sources.list";\nDir::Etc::sourceparts "-";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(state / "apt.conf")}
    fetched(["apt-get", "-qq", "update"], home, environment)
    wanted = [f"{package}={version}", *more]
    options = ["-qq", "-y", "--no-install-recommends", "--download-only"]
    fetched(["apt-get", *options, "install", *wanted], home, environment)
    for archive in sorted((state / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", archive, home], check=True)
    # Releases in which these are links to /usr have them in a package's script.
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (home / name).exists() and (home / "usr" / name).exists():
            (home / name).symlink_to(f"usr/{name}")
    shutil.rmtree(state)
    done.write_text(version)


def mirror():
    """Where this machine has its own Debian packages from."""
    form = "$(REPO_URI) $(COMPONENT) $(LABEL)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages", "Origin: Debian", "Label: Debian"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        told = ""
    for line in told.splitlines():
        uri, component, _ = line.split(maxsplit=2)
        if component == "main":
            return uri
    raise Missing("needs a Debian machine whose package lists are there (apt-get update)")


def fetched(command, folder, environment=None):
    """Runs a package client; what it says when it fails is the reason."""
    parts = [str(part) for part in command]
    done = subprocess.run(parts, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Missing(f"{parts[0]} says: {' '.join(last)}")


ALL = {
    broker.name: broker
    for broker in [
        Mosquitto("mosquitto"),
        Mosquitto("mosquitto-2.0.21", "trixie", "2.0.21-1"),
        Mosquitto("mosquitto-2.1.2", "forky", "2.1.2-3"),
        RabbitMq("rabbitmq-3.10.8", "bookworm", "3.10.8-1.1+deb12u1"),
        RabbitMq("rabbitmq-4.3.6", "forky", "4.3.6-1"),
        Ejabberd("ejabberd-23.01", "23.01-1"),
        Aedes("aedes-1.2.0"),
        Amqtt("amqtt-0.12.1"),
    ]
}

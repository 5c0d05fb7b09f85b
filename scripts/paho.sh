# shellcheck shell=bash
# Gets the independent MQTT client (paho-python) ready; to be sourced from the project's folder.

# The version that was measured, and the hash of its wheel, which is the same for every machine.
readonly PAHO="paho-mqtt==2.1.0 --hash=sha256:6db9ba9b34ed5bc6b6e3812718c7e06e2fd7444540df2455d2c51bd58808feee"

# Into .cache/paho; says `name` when something is wrong.
prepare_paho() {
    local name=$1 venv=.cache/paho python candidate
    if [[ $(cat "$venv/complete" 2>/dev/null) == "$PAHO" ]]; then
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
        # ensurepip is what Debian leaves out of its python3.
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    if [[ -z ${python:-} ]]; then
        echo "$name: needs Python 3.10 or later with venv (Debian: apt install python3-venv)" >&2
        exit 3
    fi
    echo "$name: installing paho-mqtt into $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
        --require-hashes --requirement <(echo "$PAHO")
    echo "$PAHO" >"$venv/complete"
}

# The broker and what makes its certificates.
need_broker() {
    local name=$1
    if ! PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mosquitto >/dev/null || ! command -v openssl >/dev/null; then
        echo "$name: needs mosquitto and openssl; scripts/setup installs both" >&2
        exit 3
    fi
}

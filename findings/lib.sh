# shellcheck shell=bash
# Fetches what a finding is about into a folder of its own; that and every process go at the end.
# To be sourced by bash with -e -u. Exit codes: 0 as described, 1 it behaves otherwise now, 2 not to be had.

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
pids=()
export PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1

at_end() {
    local pid
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap at_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

not_to_be_had() {
    echo "not to be had: $*" >&2
    exit 2
}

# debian SUITE PACKAGE VERSION [PACKAGE...]: unpacked with all that it needs into $work/SUITE.
debian() {
    local suite=$1 package=$2 version=$3 state=$work/$1.apt keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror
    shift 3
    # Where this machine has its own packages from.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
    [[ -n $mirror ]] || not_to_be_had "a Debian machine with package lists is needed (apt-get update)"
    mkdir -p "$state"/{lists,archives}/partial "$work/$suite"
    : >"$state/status"
    echo "deb [signed-by=$keys] $mirror $suite main" >"$state/sources.list"
    cat >"$state/apt.conf" <<APT
Dir::State "$state"; Dir::State::status "$state/status"; Dir::State::lists "$state/lists";
Dir::Cache "$state"; Dir::Cache::archives "$state/archives";
Dir::Etc::sourcelist "$state/sources.list"; Dir::Etc::sourceparts "-"; APT::Sandbox::User "root";
APT
    APT_CONFIG=$state/apt.conf apt-get -qq update >&2 || not_to_be_had "$suite"
    APT_CONFIG=$state/apt.conf apt-get -qq -y --no-install-recommends --download-only \
        install "$package=$version" "$@" >&2 || not_to_be_had "$package $version"
    local archive name
    for archive in "$state"/archives/*.deb; do
        dpkg-deb -x "$archive" "$work/$suite"
    done
    for name in bin sbin lib lib64; do
        [[ -e $work/$suite/$name || ! -e $work/$suite/usr/$name ]] || ln -s "usr/$name" "$work/$suite/$name"
    done
    # Some packages leave the links of their libraries to ldconfig.
    for name in "$work/$suite"/lib/*-linux-gnu* "$work/$suite"/usr/lib/*-linux-gnu*; do
        [[ ! -d $name ]] || /sbin/ldconfig -n "$name"
    done
    rm -r "$state"
}

# mosquitto SUITE FILE: started with this configuration, with the loader and libraries of its release.
mosquitto() {
    local root=$work/$1 folders loader
    folders=$(printf '%s:' "$root"/lib/*-linux-gnu* "$root"/usr/lib/*-linux-gnu*)
    loader=$(find "$root"/lib/ "$root"/usr/lib/ -name 'ld-linux-*.so.*' -print -quit)
    "$loader" --library-path "$folders" "$root/usr/sbin/mosquitto" -c "$2" >/dev/null 2>&1 &
    pids+=($!)
}

# listening PORT SECONDS
listening() {
    local end=$((SECONDS + $2))
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        ((SECONDS < end)) || not_to_be_had "nothing listens on $1"
        sleep 0.2
    done
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# expect FILE: compares what was seen, on standard input, with what is described; both are printed.
expect() {
    local seen
    seen=$(cat)
    echo "$seen"
    if [[ $seen != "$(cat "$1")" ]]; then
        echo "-- it behaves otherwise now; described is:" >&2
        cat "$1" >&2
        exit 1
    fi
}

# shellcheck shell=bash
# Finds Rust; to be sourced from the project's folder, by bash with -e -u.

if [[ -d ${CARGO_HOME:-$HOME/.cargo}/bin ]]; then
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
fi

# Machines without access to Rust's releases often have the pinned one only under the name
# "stable": the same compiler, so use it.
use_pinned_toolchain() {
    local channel toolchains
    channel=$(sed -n 's/^channel *= *"\(.*\)".*/\1/p' rust-toolchain.toml)
    if [[ -z ${RUSTUP_TOOLCHAIN:-} ]] && command -v rustup >/dev/null; then
        toolchains=$(rustup toolchain list)
        if ! grep -qE "^$channel(-| |\$)" <<<"$toolchains" && grep -q '^stable' <<<"$toolchains" &&
            [[ $(rustc +stable --version) == "rustc $channel "* ]]; then
            export RUSTUP_TOOLCHAIN=stable
        fi
    fi
}
use_pinned_toolchain

# What a fresh machine lacks, found out and put right. Sourced by ./demo and ./test; needs bash.
# Asks before it installs anything, except where nobody can answer (CI=true, or no terminal) and we are root.

# The oldest Rust that builds this workspace; Cargo.toml says the same.
rust_needed=1.95

packages_are_listed=no

say() { printf '%s\n' "$*" >&2; }

may_install() { # what, with which command
  if [ "${CI:-}" = true ] || ! [ -t 0 ]; then
    [ "$(id -u)" = 0 ] && return 0
    say "missing: $1. Install it with: $2"
    return 1
  fi
  printf 'missing: %s. Install it now with "%s"? [Y/n] ' "$1" "$2" >&2
  read -r answer
  case "$answer" in '' | y* | Y*) return 0 ;; *) return 1 ;; esac
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need_packages COMMAND=PACKAGE ...: each command, from that Debian package
need_packages() {
  local pair lacking=()
  for pair in "$@"; do
    # Files only: a step of ./test is a function of the same name as its program.
    type -P "${pair%%=*}" >/dev/null || [ -x "/usr/sbin/${pair%%=*}" ] || lacking+=("${pair#*=}")
  done
  [ "${#lacking[@]}" = 0 ] && return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    say "missing: ${lacking[*]} (Debian's names). This system has no apt-get: install what corresponds, then start again."
    return 1
  fi
  may_install "${lacking[*]}" "apt-get install ${lacking[*]}" || return 1
  # The lists are fetched once, and again where what they name is not there any more: it takes many seconds each time.
  if [ "$packages_are_listed" = yes ]; then
    install_packages "${lacking[@]}" && return 0
  fi
  as_root apt-get update -qq >&2 || true
  packages_are_listed=yes
  install_packages "${lacking[@]}"
}

install_packages() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# need_compiler: of C, with what it links against. Debian's gcc recommends that only, and recommendations are not installed.
need_compiler() {
  echo '#include <stdio.h>
    int main(void) { return puts("") < 0; }' | cc -x c -o /dev/null - >/dev/null 2>&1 || need_packages cc=gcc stdio.h=libc6-dev
}

rust_is_there() {
  command -v cargo >/dev/null 2>&1 || return 1
  local found
  found=$(rustc --version | cut -d' ' -f2)
  [ "$(printf '%s\n%s\n' "$rust_needed" "$found" | sort -V | head -n 1)" = "$rust_needed" ]
}

need_rust() {
  [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  rust_is_there && return 0
  if command -v rustup >/dev/null 2>&1; then
    may_install "Rust $rust_needed or newer" "rustup update stable" || return 1
    rustup update stable >&2 && rustup default stable >&2
  else
    need_packages curl=curl update-ca-certificates=ca-certificates || return 1
    may_install "Rust $rust_needed or newer" "rustup, from https://rustup.rs" || return 1
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile default >&2 || return 1
    . "$HOME/.cargo/env"
  fi
  rust_is_there || { say "Rust $rust_needed or newer is still missing; see https://rustup.rs"; return 1; }
}

# need_cargo_tool COMMAND CRATE VERSION [OPTION ...]: into this repository's target folder, in debug form: building it is what takes
# time. The options are for cargo install.
need_cargo_tool() {
  command -v "$1" >/dev/null 2>&1 && return 0
  [ -x "target/tools/bin/$1" ] && return 0
  may_install "$2" "cargo install $2 (into target/tools)" || return 1
  CARGO_PROFILE_DEV_DEBUG=none CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=target/tools/build \
    cargo install "$2" --version "$3" "${@:4}" --locked --debug --quiet --root target/tools >&2
}

# need_python_tool FOLDER PACKAGE==VERSION ...: into a Python environment of its own in target/tools
need_python_tool() {
  local folder=target/tools/$1
  [ -e "$folder/complete" ] && return 0
  need_packages python3=python3 && { python3 -c 'import ensurepip' 2>/dev/null || need_packages ensurepip=python3-venv; } || return 1
  may_install "${*:2}" "pip install ${*:2} (into $folder)" || return 1
  python3 -m venv --clear "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check "${@:2}" >&2 \
    && touch "$folder/complete"
}

# need_node_tool FOLDER PACKAGE@VERSION ...: into a folder of its own in target/tools
need_node_tool() {
  local folder=target/tools/$1
  [ -e "$folder/complete" ] && return 0
  need_packages node=nodejs npm=npm || return 1
  may_install "${*:2}" "npm install ${*:2} (into $folder)" || return 1
  npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --silent "${@:2}" >&2 && touch "$folder/complete"
}

# What tools/quickstart and tools/test share; sourced by them, never run. Leaves the working folder
# at the top of the tree, whose absolute path is $root.
# shellcheck shell=bash

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

require_debian_12() {
  local system
  system=$(. /etc/os-release 2>/dev/null && echo "${ID:-?} ${VERSION_ID:-?}") || system=unknown
  [[ $system == "debian 12" ]] ||
    fail "this installs packages of Debian 12 and here is '$system'; elsewhere install the" \
      "equivalents of tools/packages, then: cmake --preset release && cmake --build --preset release"
}

# missing_packages <group>...: the packages of these groups that are not installed.
missing_packages() {
  local group package command
  while read -r group package command; do
    [[ " $* " == *" $group "* ]] || continue
    if [[ -n $command ]] && command -v "$command" >/dev/null; then continue; fi
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      echo "$package"
  done < <(grep -v '^#' tools/packages)
}

as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "installing packages needs root or sudo"
  fi
}

# Debian starts and enables the service of a server package; the tests bring up their own servers,
# and port 6379 belongs to kvorum. `policy-rc.d` is how Debian is told not to start anything.
apt_install() {
  local policy=/usr/sbin/policy-rc.d denied=no status=0 service
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    denied=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" \
    </dev/null || status=$?
  if [[ $denied == yes ]]; then as_root rm -f $policy; fi
  for service in redis-server etcd; do
    if [[ $status -eq 0 && " $* " == *" ${service%-server}-server "* && -d /run/systemd/system ]]; then
      as_root systemctl disable --quiet "$service"
    fi
  done
  return $status
}

# install_packages <group>...: asks apt only for what is missing, and refreshes its lists only when
# they turn out to be absent or too old to serve that.
install_packages() {
  local missing
  require_debian_12
  mapfile -t missing < <(missing_packages "$@")
  if [[ ${#missing[@]} -eq 0 ]]; then return 0; fi
  say "installing ${missing[*]}"
  if ! apt_install "${missing[@]}"; then
    say "refreshing the package lists"
    as_root apt-get update -q </dev/null
    apt_install "${missing[@]}" || fail "apt-get could not install ${missing[*]}"
  fi
}

# One compiler for each core, and 1 GiB of memory for each compiler.
build_jobs() {
  local cores memory_gib
  cores=$(nproc)
  memory_gib=$(awk '/^MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
  if [[ $memory_gib -lt 1 ]]; then memory_gib=1; fi
  echo $((cores < memory_gib ? cores : memory_gib))
}

# quietly <what> <command>...: shows the command's output only when it fails, and where it is while
# it takes long.
quietly() {
  local what=$1 log process seconds=0
  shift
  log=$(mktemp)
  say "$what"
  "$@" >"$log" 2>&1 </dev/null &
  process=$!
  while kill -0 $process 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    if ((seconds % 30 == 0)); then say "$what: $(tail -n 1 "$log" | cut -c 1-60)"; fi
  done
  if ! wait $process; then
    cat "$log"
    rm -f "$log"
    fail "$what failed"
  fi
  rm -f "$log"
}

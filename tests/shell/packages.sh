# Debian packages: only missing ones are installed, nothing is removed, nothing is asked.
# shellcheck shell=bash

# install_packages NAME...: a problem is told with the command that a person can run.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "tests/run: not a Debian; these packages' tools must be here: ${missing[*]}"
    return 0
  fi
  echo "installing ${missing[*]}"
  apt_get update && apt_get install --no-install-recommends --no-remove "${missing[@]}" && return
  echo "tests/run: could not install them; as root: apt-get update && apt-get install ${missing[*]}" >&2
  return 1
}

missing_packages() {
  local name
  for name in $(printf '%s\n' "$@" | sort -u); do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || echo "$name"
  done
}

# apt_get ARGUMENT...: three tries, for the network and for another apt that holds the lock.
apt_get() {
  local try log=$LOGS/apt.log
  for try in 1 2 3; do
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=600 "$@" >"$log" 2>&1 </dev/null && return
    [[ $try == 3 ]] || sleep $((try * 5))
  done
  show_end "$log" >&2
  return 1
}

as_root() {
  if [[ $EUID == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

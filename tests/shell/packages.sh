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
  apt_get update && mapfile -t -O "${#missing[@]}" missing < <(in_the_way "${missing[@]}")
  apt_get install --no-install-recommends --no-remove --allow-downgrades "${missing[@]}" && return
  echo "tests/run: could not install them; as root: apt-get update && apt-get install ${missing[*]}" >&2
  return 1
}

missing_packages() {
  local name
  for name in $(printf '%s\n' "$@" | sort -u); do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || echo "$name"
  done
}

# in_the_way NAME...: installed packages that apt would remove for these, each with the release whose version goes beside them: one of
# backports asks for more of backports (qemu-utils).
in_the_way() {
  local name
  for name in $(apt-get install -s --no-install-recommends "$@" 2>/dev/null | sed -n 's/^Remv \([^ ]*\) .*/\1/p'); do
    echo "   $name is of another release; that of this one takes its place" >&2
    echo "$name/$(. /etc/os-release && echo "$VERSION_CODENAME")"
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

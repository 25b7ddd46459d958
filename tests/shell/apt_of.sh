# An apt for another suite or architecture, with a state of its own, so that the machine's does not learn of it.
# shellcheck shell=bash

# apt_of FOLDER SUITE ARCHITECTURE: a configuration of apt that keeps everything in this folder, and reads the mirror that the machine has.
apt_of() {
  local mirror
  mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Label: Debian' | head -n 1)
  echo "deb ${mirror:-http://deb.debian.org/debian} $2 main" >"$1/sources.list"
  cat >"$1/apt.conf" <<CONF
Dir::State "$1/state";
Dir::State::status "/dev/null";
Dir::Cache "$1/cache";
Dir::Etc::SourceList "$1/sources.list";
Dir::Etc::SourceParts "-";
APT::Architecture "$3";
APT::Architectures "$3";
APT::Sandbox::User "root";
CONF
  export APT_CONFIG=$1/apt.conf
  apt-get -qq update
}

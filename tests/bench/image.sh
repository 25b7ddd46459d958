# An erofs image of real files: those of /usr in the order of their names, twice and more where they are too few.
# shellcheck shell=bash disable=SC2016,SC2154

# Bytes that a file takes in the image, about: most tails stand beside their inodes.
TAKES='$1 + 512'

# The image; MIB becomes its true size.
make_image() {
  local tree=$WORK/tree bytes=$((MIB << 20)) copy=0
  mkdir "$tree"
  while [[ $(tree_bytes) -lt $((bytes * 99 / 100)) ]]; do
    copy=$((copy + 1))
    mkdir "$tree/$copy"
    some_files $((bytes - $(tree_bytes))) | (cd /usr && xargs -d '\n' cp --parents -t "$tree/$copy")
  done
  mkfs.erofs --quiet "$IMAGE" "$tree" >&2
  rm -rf "$tree"
  truncate -s %1M "$IMAGE"
  MIB=$(($(stat -c %s "$IMAGE") >> 20))
}

tree_bytes() {
  find "$WORK/tree" -type f -printf '%s\n' | awk "{ sum += $TAKES } END { printf \"%d\", sum }"
}

# some_files BYTES: names of files of /usr that take so many bytes together.
some_files() {
  find /usr -xdev -type f -readable -size -65536k ! -name $'*\n*' -printf '%s %P\n' | LC_ALL=C sort -k 2 |
    awk -v left="$1" "{ size = $TAKES } size <= left { left -= size; sub(/^[0-9]+ /, \"\"); print }"
}

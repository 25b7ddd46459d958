# A shell on the serial console, for a device without ssh.
# shellcheck shell=bash

# console: what is typed goes through a FIFO; that it is open here keeps the other end from seeing an end.
console() {
  TYPED=$OUT/typed
  rm -f "$TYPED"
  mkfifo "$TYPED"
  exec 7<>"$TYPED"
  ASKED=0
}

# types WORD...: a line for the shell.
types() {
  printf '%s\n' "$*" >&7
}

# asks WORDS COMMAND...: types it until its answer has these words; the answer is in $OUT/answer.
asks() {
  local words=$1 until=$((SECONDS + PATIENCE))
  shift
  while :; do
    ASKED=$((ASKED + 1))
    # The shell puts the number in: the line itself, which the console repeats, has none. Through a pipe, the answer has no colours.
    types "n=$ASKED; echo begin-\$n; { $*; } 2>&1 | cat; echo end-\$n"
    until tr -d '\r' <"$OUT/console" | grep -q "end-$ASKED\$"; do
      [[ $SECONDS -lt $until ]] || fail "'$*' has no answer in $PATIENCE s"
      sleep 0.3
    done
    tr -d '\r' <"$OUT/console" | sed -n "/^begin-$ASKED\$/,/end-$ASKED\$/p" >"$OUT/answer"
    ! grep -qE -- "$words" "$OUT/answer" || return 0
    sleep 1
  done
}

#!/bin/sh
# dracut: where it gives up, before the hook or after it, the machine restarts; it would open a shell and wait there for ever.
# `rd.shell` on the kernel's command line asks for the shell.
if ! getargbool 0 rd.shell; then
  # What the profile says, once the hook has run.
  seconds=$(cat /proc/sys/kernel/panic)
  [ "$seconds" -gt 0 ] || seconds=10
  echo "updater: the initramfs gives up; restart in $seconds s" >/dev/console
  sleep "$seconds"
  echo b >/proc/sysrq-trigger
fi

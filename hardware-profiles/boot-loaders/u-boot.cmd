# U-Boot chooses the slot: the script of loader = "u-boot-env" (docs/BOOT.md, "Boot loaders that choose by themselves").
#
#   1. the slots of BOOT_ORDER, the first one first
#   2. one that is in BOOT_GOOD starts
#   3. any other starts if it has a boot left in BOOT_x_LEFT: one is taken, and saved, before anything of the slot is read.
#      One that cannot be saved is not taken, and the next slot's turn comes
#   4. no BOOT_ORDER, as in the compiled-in environment, or nothing starts: a kernel that is told no slot, so that the hook chooses
#
# What only the board knows is in its environment; both come back if they cannot start anything:
#
#   updater_start   starts the kernel of slot ${slot}, its command line ending in ${words}
#   updater_any     starts a kernel that is told nothing: one of no slot if the board has it, else whichever can be read
#
# mkimage -A arm64 -T script -d u-boot.cmd boot.scr; U-Boot needs CMD_SETEXPR, HUSH_PARSER and SYS_REDUNDAND_ENVIRONMENT.

for name in ${BOOT_ORDER}; do
  setenv updater_get "left=\${BOOT_${name}_LEFT}"
  run updater_get
  setenv updater_get
  good=no
  for one in ${BOOT_GOOD}; do
    if test "${one}" = "${name}"; then good=yes; fi
  done
  slot=a
  if test "${name}" = B; then slot=b; fi
  if test "${name}" = C; then slot=c; fi
  if test "${name}" = D; then slot=d; fi
  if test "${name}" = E; then slot=e; fi
  if test "${name}" = F; then slot=f; fi
  if test "${name}" = G; then slot=g; fi
  if test "${name}" = H; then slot=h; fi
  taken=no
  if test ${good} = yes; then
    taken=yes
    echo "updater: U-Boot starts slot ${slot}, which is good"
  else
    if test -n "${left}"; then
      if test "${left}" -gt 0; then
        setexpr BOOT_${name}_LEFT ${left} - 1
        if saveenv; then
          taken=yes
          echo "updater: U-Boot starts slot ${slot}, one of its boots taken of ${left}"
        else
          echo "updater: a boot of slot ${slot} cannot be saved, so it is not taken"
        fi
      fi
    fi
  fi
  if test ${taken} = yes; then
    words="updater.slot=${slot}"
    run updater_start
  fi
done
echo "updater: no slot is known to U-Boot, or none starts, so the hook chooses"
slot=
words=
run updater_any
echo "updater: nothing can be started"
sleep 10
reset

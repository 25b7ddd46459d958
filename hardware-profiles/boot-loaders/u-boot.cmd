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

for updater_name in ${BOOT_ORDER}; do
  updater_left=none
  setenv updater_get "updater_left=\${BOOT_${updater_name}_LEFT}"
  run updater_get
  setenv updater_get
  updater_good=no
  for updater_one in ${BOOT_GOOD}; do
    if test "${updater_one}" = "${updater_name}"; then updater_good=yes; fi
  done
  slot=a
  if test "${updater_name}" = B; then slot=b; fi
  if test "${updater_name}" = C; then slot=c; fi
  if test "${updater_name}" = D; then slot=d; fi
  if test "${updater_name}" = E; then slot=e; fi
  if test "${updater_name}" = F; then slot=f; fi
  if test "${updater_name}" = G; then slot=g; fi
  if test "${updater_name}" = H; then slot=h; fi
  updater_taken=no
  if test ${updater_good} = yes; then
    updater_taken=yes
    echo "updater: U-Boot starts slot ${slot}, which is good"
  else
    if test -n "${updater_left}"; then
      if test "${updater_left}" -gt 0; then
        setexpr BOOT_${updater_name}_LEFT ${updater_left} - 1
        if saveenv; then
          updater_taken=yes
          echo "updater: U-Boot starts slot ${slot}, one of its boots taken of ${updater_left}"
        else
          echo "updater: a boot of slot ${slot} cannot be saved, so it is not taken"
        fi
      fi
    fi
  fi
  if test ${updater_taken} = yes; then
    words="updater.slot=${slot}"
    run updater_start
  fi
done
echo "updater: no slot is known to U-Boot, or none starts, so the hook chooses"
# A variable of this shell cannot be made empty: a word that changes nothing.
words=ro
run updater_any
echo "updater: nothing can be started"
sleep 10
reset

# Lines 'TIME running N tests' and 'TIME test NAME ... ok' of programs that run `threads` tests at once to 'SECONDS PART NAME'.

/^[0-9.]+ running [0-9]+ tests?$/ { judge(); begun = $1; next }
/^[0-9.]+ test .* \.\.\. / {
  time = $1
  sub(/^[0-9.]+ test /, "")
  at = index($0, " ... ")
  open = substr($0, 1, at - 1)
  # With one test at once the name is written first, and what the test says stands between it and the verdict.
  if (substr($0, at + 5) !~ /^(ok|FAILED|ignored)/) next
  ended(time, open)
  next
}
/^[0-9.]+ (ok|FAILED)$/ { if (open != "") ended($1, open) }
END { judge() }

function ended(time, name) {
  count++
  end[count] = time
  done[count] = name
  open = ""
}

# The tests begin in the order of their names, as many as there are threads, then one whenever one has ended.
function judge(    i, j, name, start) {
  for (i = 1; i <= count; i++) {
    name = done[i]
    for (j = i - 1; j >= 1 && (order[j] "") > (name ""); j--) order[j + 1] = order[j]
    order[j + 1] = name
  }
  for (i = 1; i <= count; i++) start[order[i]] = i <= threads ? begun : end[i - threads]
  for (i = 1; i <= count; i++) printf "%8.1f s  %s  %s\n", end[i] - start[done[i]], part, done[i]
  count = 0
}

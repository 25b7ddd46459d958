# table.awk ROWS RESULTS: a Markdown table. ROWS tells the rows and their order, separated by tabs: id, unit, the row to divide by,
# goal, words. RESULTS has a line for each measurement: id, value, peak RSS in KiB, bytes written. A goal is held against the
# ratio where there is one, else against the largest value of memory and the median of time.
BEGIN { FS = "\t" }
FNR == 1 { file++ }
file == 1 && !/^#/ { row[++rows] = $0 }
file == 2 {
  at = ++count[$1]
  value[$1, at] = $2
  if ($3 > rss[$1]) rss[$1] = $3
  if ($4 > written[$1]) written[$1] = $4
}
END {
  print "| what | median | least - most | ratio | goal | peak RSS, MiB | written, MiB |"
  print "|---|--:|--:|---|---|--:|--:|"
  for (at = 1; at <= rows; at++) {
    split(row[at], field, "\t")
    if (field[1] == "=") print "| **" field[2] "** | | | | | | |"
    else print_row(field[1], field[2], field[3], field[4], field[5])
  }
}

function print_row(id, unit, beside, goal, words,    middle, ratio, judged) {
  if (!count[id]) { print "| " words " | not measured | | | | | |"; return }
  sort(id)
  middle = unit == "sum" ? count[id] : median(id)
  judged = unit == "MiB" ? value[id, count[id]] : unit == "ms" ? middle * 1000 : middle
  if (beside != "-" && count[beside]) {
    sort(beside)
    judged = middle / median(beside)
    ratio = sprintf("%.2f x %s", judged, beside)
  }
  if (goal != "-") goal = goal (meets(judged, goal) ? "" : ", **missed**")
  else goal = ""
  printf "| %s | %s | %s | %s | %s | %s | %s |\n", words, shown(middle, unit), spread(id, unit), ratio, goal, \
    mebi(rss[id] * 1024, 1), mebi(written[id], 0)
}

# Insertion: there are few.
function sort(id,    at, back, moved) {
  for (at = 2; at <= count[id]; at++) {
    moved = value[id, at]
    for (back = at - 1; back > 0 && value[id, back] + 0 > moved + 0; back--) value[id, back + 1] = value[id, back]
    value[id, back + 1] = moved
  }
}

function median(id,    half) {
  half = int((count[id] + 1) / 2)
  return count[id] % 2 ? value[id, half] : (value[id, half] + value[id, half + 1]) / 2
}

function spread(id, unit) {
  if (count[id] == 1 || unit == "sum") return ""
  return digits(value[id, 1], unit) " - " digits(value[id, count[id]], unit)
}

function shown(number, unit) {
  return digits(number, unit) (unit == "part" || unit == "sum" ? "" : " " unit)
}

function digits(number, unit) {
  if (unit == "ms") return sprintf("%.1f", number * 1000)
  if (unit == "MB/s" || unit == "KiB" || unit == "sum") return sprintf("%.0f", number)
  return sprintf(unit == "MiB" ? "%.1f" : "%.2f", number)
}

function mebi(bytes, places) {
  return bytes > 0 ? sprintf("%." places "f", bytes / 1048576) : ""
}

function meets(number, goal,    part) {
  split(goal, part, " ")
  if (part[1] == "<=") return number <= part[2]
  if (part[1] == ">=") return number >= part[2]
  return number == part[2]
}

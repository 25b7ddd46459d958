# table.awk ROWS RESULTS, with -v rounds=N -v judge=0 or 1: a Markdown table. ROWS tells the rows and their order, separated by tabs: id, unit, the row
# to divide by, goal, how many measurements there must be (a number, or "rounds"), words. RESULTS has a line for each measurement: id,
# value, peak RSS in KiB, bytes written. A goal is held against the ratio where there is a row to divide by, else against the largest
# value of memory and the median of time; with judge=0 none is. What lacks a figure is "not measured", and never judged by another one.
BEGIN { FS = "\t" }
FNR == 1 { file++ }
file == 1 && !/^#/ { row[++rows] = $0 }
file == 2 && $2 ~ /^-?[0-9]/ {
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
    else print_row(field[1], field[2], field[3], field[4], field[5], field[6])
  }
}

function print_row(id, unit, beside, goal, times, words,    middle, ratio, judged) {
  if (!count[id]) {
    print "| " words " | not measured | | |" (goal == "-" ? "" : " " goal ", not measured") " | | |"
    return
  }
  sort(id)
  middle = unit == "sum" ? count[id] : median(id)
  judged = unit == "MiB" ? value[id, count[id]] : unit == "ms" ? middle * 1000 : middle
  if (beside != "-") {
    judged = ratio_to(beside, middle)
    ratio = (judged == "" ? "not measured:" : sprintf("%.2f x", judged)) " " beside
  }
  printf "| %s | %s | %s | %s | %s | %s | %s |\n", words few(id, times), shown(middle, unit), spread(id, unit), ratio, \
    verdict(judged, goal), mebi(rss[id] * 1024, 1), mebi(written[id], 0)
}

# Nothing where there is no figure to divide by.
function ratio_to(beside, middle) {
  if (!count[beside]) return ""
  sort(beside)
  return median(beside) > 0 ? middle / median(beside) : ""
}

function verdict(judged, goal) {
  if (goal == "-") return ""
  if (judged == "") return goal ", not measured"
  if (!judge) return goal ", not judged"
  return goal (meets(judged, goal) ? "" : ", **missed**")
}

# A contestant that failed now and then must not go unnoticed.
function few(id, times,    wanted) {
  wanted = times == "rounds" ? rounds : times
  return count[id] == wanted ? "" : " (" count[id] " of " wanted " " (times == "rounds" ? "rounds" : "times") ")"
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
  if (unit == "M") return sprintf("%.0f", number * 1000)
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

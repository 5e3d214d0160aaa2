#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Counts the instructions that the engine takes for a page, which no other work on the machine
# disturbs, and compares them with Benchmarks/Thresholds/instructions.json.
#
#   Benchmarks/instructions.sh            exit 1 if a count is more than 5 % above its threshold
#   Benchmarks/instructions.sh --update   write what was counted as the new thresholds
#
# MOORING names another release binary than .build/release/mooring, PAGES another number of pages.

set -eu
cd "$(dirname "$0")/.."

names="anon-touch anon-unmap mlock-populated munlock"
binary=${MOORING:-.build/release/mooring}
pages=${PAGES:-16384}
tolerance=5
thresholds=Benchmarks/Thresholds/instructions.json
# The measured part runs inside this function (Sources/Benchmarks/MeasuredPart.swift).
measured='$s10Benchmarks12measuredPart*'

fail() {
    echo "instructions: $*" >&2
    exit 2
}

update=no
case "${1:-}" in
--update) update=yes ;;
"") ;;
*) fail "unknown option $1; there is --update" ;;
esac

command -v valgrind >/dev/null 2>&1 ||
    fail "valgrind is not installed; instructions cannot be counted (Debian: apt-get install valgrind)"
command -v strip >/dev/null 2>&1 ||
    fail "strip is not installed; it comes with binutils"
[ -x "$binary" ] || fail "$binary is missing; build it: swift build -c release"
[ "$update" = yes ] || [ -r "$thresholds" ] ||
    fail "$thresholds is missing; write it: Benchmarks/instructions.sh --update"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Older valgrinds cannot read Swift's debug information, and stop; names are enough.
strip -g -o "$scratch/mooring" "$binary"

# Prints the instructions per page of one benchmark.
count() {
    if ! valgrind --tool=callgrind --callgrind-out-file="$scratch/out" --collect-atstart=no \
        --toggle-collect="$measured" \
        "$scratch/mooring" bench --instructions "$1" --pages "$pages" >"$scratch/log" 2>&1; then
        cat "$scratch/log" >&2
        fail "callgrind failed on $1"
    fi
    total=$(sed -n 's/^totals: *\([0-9]*\).*/\1/p' "$scratch/out")
    [ "${total:-0}" -gt 0 ] ||
        fail "callgrind counted nothing for $1: no function matches $measured in $binary"
    awk -v total="$total" -v pages="$pages" 'BEGIN { printf "%.1f", total / pages }'
}

# Prints the threshold of one benchmark; nothing if it has none.
threshold() {
    sed -n "s/.*\"$1\" *: *\([0-9.]*\).*/\1/p" "$thresholds"
}

excess=0
rows=""
for name in $names; do
    now=$(count "$name") || exit 2
    rows="$rows${rows:+,
}  \"$name\": $now"
    [ "$update" = yes ] && {
        echo "$name: $now instructions per page"
        continue
    }
    most=$(threshold "$name")
    [ -n "$most" ] || fail "$thresholds has no \"$name\"; write it anew with --update"
    verdict=$(awk -v now="$now" -v most="$most" -v tolerance="$tolerance" 'BEGIN {
        change = (now / most - 1) * 100
        printf "%+.1f %%", change
        if (change > tolerance) print ": MORE THAN " tolerance " % TOO MANY"
        else if (change < -tolerance) print "; lower the threshold with --update"
    }')
    echo "$name: $now instructions per page, threshold $most: $verdict"
    case "$verdict" in *MORE*) excess=1 ;; esac
done

if [ "$update" = yes ]; then
    mkdir -p "$(dirname "$thresholds")"
    printf '{\n%s\n}\n' "$rows" >"$thresholds"
    echo "wrote $thresholds"
elif [ "$excess" = 1 ]; then
    echo "instructions: the engine takes more instructions than the thresholds allow." >&2
    echo "If that is the price of something wanted, say so in the commit and run" >&2
    echo "Benchmarks/instructions.sh --update" >&2
    exit 1
fi

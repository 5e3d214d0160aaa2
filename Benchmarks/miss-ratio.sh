#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same page accesses on Mooring and on libcachesim (PyPI), in turn: misses and speed.
# Exact LRU must miss exactly as often as libcachesim's LRU does; else the status is 1.
#
#   MOORING=.build/release/mooring Benchmarks/miss-ratio.sh [PAGES ACCESSES FRAMES]
set -euo pipefail
cd "$(dirname "$0")/.."
mooring=${MOORING:-.build/release/mooring}
pages=${1:-2000000} accesses=${2:-10000000} frames=${3:-1048576}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet libcachesim

replay() {
    "$mooring" misses --zipf 0.8 --pages "$pages" --accesses "$accesses" \
        --memory "$((frames * 4))K" --lru "$@"
}
replay --save-list "$work/list" >/dev/null
for round in 1 2 3; do
    echo "-- round $round: Mooring"
    replay | tee "$work/mooring"
    echo "-- round $round: libcachesim, LRU"
    "$work/venv/bin/python" - "$work/list" "$frames" "$accesses" <<'PYTHON' | tee "$work/other"
import sys, time
import libcachesim as lib
path, frames, accesses = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
settings = lib.ReaderInitParam(ignore_obj_size=True, obj_id_is_num=True)
reader = lib.TraceReader(path, lib.TraceType.PLAIN_TXT_TRACE, settings)
start = time.process_time()
ratio, _ = lib.LRU(cache_size=frames).process_trace(reader)
seconds = time.process_time() - start
print(f"{round(ratio * accesses)} misses, {accesses / seconds:,.0f} accesses/s (reading the list included)")
PYTHON
    exact=$(awk '/ lru / { gsub(",", "", $4); print $4 }' "$work/mooring")
    other=$(awk '{ print $1 }' "$work/other")
    if [ "$exact" != "$other" ]; then
        echo "exact LRU misses $exact times, libcachesim $other times" >&2
        exit 1
    fi
done

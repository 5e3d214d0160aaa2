#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Records the bundled traces anew: all of them, or those named on the command line.
#
#     sudo Traces/record.sh [gcc] [redis] [memcached] [python]
#
# It needs root (or kernel.perf_event_paranoid = -1), perf, and the programs that it records. It
# installs nothing. MOORING may name another `mooring` than the one that it builds.
set -euo pipefail

traces=$(cd "$(dirname "$0")" && pwd)
# Paths go into the traces, so everything happens in a place that says nothing about this machine.
work=/tmp/mooring-recording
port=21211

# need PROGRAM PACKAGE: says what to install, if it must be.
missing=0
need() {
    command -v "$1" >/dev/null && return
    echo "$1 is missing. Debian: apt install $2" >&2
    missing=1
}

# record NAME COMMAND…: one trace.
record() {
    local name=$1
    shift
    "$mooring" record -o "$work/$name.mooring" -- "$@"
}

# until_true COMMAND…: waits until the recorded program is ready. Opening the events takes seconds.
until_true() {
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "the recorded program did not become ready: $*" >&2
    exit 1
}

keep() {
    mv "$work/$1.mooring" "$traces/$1.mooring"
    echo "$traces/$1.mooring: $(stat -c %s "$traces/$1.mooring") bytes"
}

# A compiler driver, the compiler proper twice, the assembler twice, and the linker.
trace_gcc() {
    cp "$traces"/gcc/*.[ch] .
    gcc -O2 words.c table.c -o words -lm
    record gcc gcc -O2 words.c table.c -o words -lm
    keep gcc
}

# A server that is written to, forks to save itself, and is written to while its child saves.
trace_redis() {
    local socket=$work/redis.sock
    local cli="redis-cli -s $socket"
    redis-server --version >/dev/null
    record redis redis-server --port 0 --unixsocket "$socket" --save "" --dir "$work" \
        --dbfilename redis.rdb --daemonize no --loglevel warning &
    local recorder=$!
    until_true $cli ping
    redis-benchmark -s "$socket" -q -t set,lpush,sadd,hset -n 40000 -r 20000 -d 400 -c 20
    $cli bgsave
    redis-benchmark -s "$socket" -q -t set,get -n 40000 -r 20000 -d 400 -c 20
    until_true sh -c "$cli info persistence | grep rdb_bgsave_in_progress:0"
    $cli shutdown nosave
    wait "$recorder"
    rm -f redis.rdb
    keep redis
}

memcached_ready() { exec 3<>"/dev/tcp/127.0.0.1/$port"; }

# A server that locks all of its memory, present and future.
trace_memcached() {
    local privilege=()
    [ "$(id -u)" != 0 ] || privilege=(-u root)
    record memcached memcached "${privilege[@]}" -A -k -m 64 -t 4 -l 127.0.0.1 -p "$port" &
    local recorder=$!
    until_true memcached_ready
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    local value
    value=$(head -c 900 /dev/zero | tr '\0' x)
    for key in $(seq 4000); do
        printf 'set key%d 0 0 900 noreply\r\n%s\r\n' "$key" "$value" >&3
    done
    printf 'get key1\r\nshutdown\r\n' >&3
    wait "$recorder" || true
    exec 3>&-
    keep memcached
}

# An interpreter that loads a hundred modules and some dozen shared libraries.
trace_python() {
    cp "$traces/imports.py" .
    /usr/bin/python3 -I imports.py
    record python /usr/bin/python3 -I imports.py
    keep python
}

[ $# -gt 0 ] || set -- gcc redis memcached python
need perf linux-perf
for name in "$@"; do
    case $name in
        gcc) need gcc gcc ;;
        redis) need redis-server redis-server; need redis-benchmark redis-tools ;;
        memcached) need memcached memcached ;;
        python) need /usr/bin/python3 python3 ;;
        *) echo "there is no recipe for $name: gcc, redis, memcached, python" >&2; exit 2 ;;
    esac
done
[ "$missing" = 0 ] || exit 1

if [ -z "${MOORING:-}" ]; then
    swift build -c release --package-path "$traces/.." --product mooring
    MOORING=$(swift build -c release --package-path "$traces/.." --show-bin-path)/mooring
fi
mooring=$MOORING
mkdir -p "$work"
cd "$work"
for name in "$@"; do
    "trace_$name"
done

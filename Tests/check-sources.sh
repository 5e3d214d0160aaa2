#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Rules of the house that a compiler does not check.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
complain() {
    echo "$1"
    echo "$2" | sed 's/^/    /'
    failed=1
}

found=$(grep -rnE '^(package |public |@testable )?import (Foundation|Glibc|Musl|Darwin)' Sources/Mooring || true)
[ -z "$found" ] || complain "The engine imports what it must not:" "$found"

found=$(grep -rnE '^import (Glibc|Musl)' Sources --include='*.swift' |
    grep -vE '^Sources/(LinuxHost|MooringCLI)/' || true)
[ -z "$found" ] || complain "Only LinuxHost and the command call the C library:" "$found"

found=$(grep -rnE '\b(Atomic|Mutex)<' Sources/Mooring --include='*.swift' |
    grep -v '^Sources/Mooring/Synchronization/' | grep -vE '^[^:]*:[0-9]+: *///?' || true)
[ -z "$found" ] || complain "Raw atomics and mutexes stay in Synchronization:" "$found"

found=$(grep -rnE 'try!|\bas!|\b(FIXME|TODO|XXX)\b' Sources Tests --include='*.swift' || true)
[ -z "$found" ] || complain "Unfinished or unchecked:" "$found"

found=$(grep -rLE '^// SPDX-License-Identifier: Apache-2.0' Sources Tests --include='*.swift' || true)
[ -z "$found" ] || complain "Without a licence line:" "$found"

found=$(git ls-files '*.swift' '*.c' '*.h' | while read -r file; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt 600 ]; then echo "$file: $lines lines"; fi
done)
[ -z "$found" ] || complain "Past 600 lines:" "$found"

exit $failed

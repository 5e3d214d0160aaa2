// SPDX-License-Identifier: Apache-2.0
//
// What recording needs of the host, and how to say what is missing.

import Glibc
import Workloads

/// Why a program could not be recorded.
package struct RecorderError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package let problem: String
    /// What to do about it.
    package let remedy: String

    package var description: String { problem + "\n" + remedy }
}

/// What the host offers for recording.
struct RecorderFacilities {
    /// The path of `perf`.
    let perf: String
    /// The events to record, as `perf record -e` names them.
    let events: [String]
    /// Whether the kernel tells who changes areas, and when (``PerfScriptImporter/lockEvent``).
    let tellsLocks: Bool
    /// What a recording lacks because the kernel does not have an event.
    let shortcomings: [String]

    /// Looks for everything that recording needs.
    ///
    /// - Throws: ``RecorderError`` that names the first thing that is missing and how to get it.
    init() throws(RecorderError) {
        guard let perf = HostPath.find("perf") else {
            throw RecorderError(
                problem: "`perf` is not installed: it is what records",
                remedy: "Debian: apt install linux-perf. Ubuntu: apt install linux-tools-generic. "
                    + "Fedora: dnf install perf.")
        }
        self.perf = perf
        let tracing = try RecorderFacilities.tracingDirectory()
        var events: [String] = []
        var shortcomings: [String] = []
        for event in PerfScriptImporter.events {
            if RecorderFacilities.exists(event, in: tracing) {
                events.append(event)
            } else if let lack = RecorderFacilities.optional[event] {
                shortcomings.append("the kernel has no event \(event): \(lack)")
            } else {
                throw RecorderFacilities.missing(event)
            }
        }
        for call in PerfScriptImporter.calls {
            let pair = ["syscalls:sys_enter_" + call, "syscalls:sys_exit_" + call]
            if pair.allSatisfy({ RecorderFacilities.exists($0, in: tracing) }) {
                events += pair
            } else if call == "mmap" {
                // Some calls exist on some machines only; this one exists wherever any does.
                throw RecorderFacilities.missing(pair[0])
            }
        }
        for call in PerfScriptImporter.callsFromTheirBegin {
            let event = "syscalls:sys_enter_" + call
            if RecorderFacilities.exists(event, in: tracing) { events.append(event) }
        }
        tellsLocks = RecorderFacilities.exists(PerfScriptImporter.lockEvent.name, in: tracing)
        if !tellsLocks {
            shortcomings.append(
                "the kernel has no event \(PerfScriptImporter.lockEvent.name): which of two threads "
                    + "that changed areas at the same time was first is guessed")
        }
        self.events = events
        self.shortcomings = shortcomings
    }

    /// Events that a recording can do without, and what it is without them.
    private static let optional = [
        "kmem:rss_stat": "peak resident memory and large folios are not recorded",
        "mmap:vm_unmapped_area":
            "where the search for room begins is guessed from the first library",
        "signal:signal_generate": "which faults ended in a signal is not recorded",
    ]

    private static func missing(_ event: String) -> RecorderError {
        let group = event.prefix { $0 != ":" }
        let option =
            group == "syscalls" ? "CONFIG_FTRACE_SYSCALLS" : "CONFIG_TRACEPOINTS and CONFIG_FTRACE"
        return RecorderError(
            problem: "the kernel has no event \(event)",
            remedy: "A kernel built with \(option) is needed; those of distributions are.")
    }

    // MARK: Tracing

    private static func exists(_ event: String, in tracing: String) -> Bool {
        let parts = event.split(separator: ":")
        return access(tracing + "/events/" + parts.joined(separator: "/") + "/id", F_OK) == 0
    }

    private static func tracingDirectory() throws(RecorderError) -> String {
        let places = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        for place in places where access(place + "/events", R_OK | X_OK) == 0 { return place }
        if let lockdown = HostPath.contents("/sys/kernel/security/lockdown"),
            lockdown.contains("[confidentiality]")
        {
            throw RecorderError(
                problem: "the kernel is locked down for confidentiality, which forbids tracing",
                remedy: "Boot without lockdown=confidentiality, or record on another machine.")
        }
        guard geteuid() == 0 else {
            let level = HostPath.contents("/proc/sys/kernel/perf_event_paranoid") ?? "unknown"
            let shown = level.filter { !$0.isNewline }
            throw RecorderError(
                problem: "tracing is not permitted: recording needs root "
                    + "(kernel.perf_event_paranoid is \(shown))",
                remedy: "Run it with sudo. Or permit it to everybody, until the next boot: "
                    + "sudo sysctl kernel.perf_event_paranoid=-1; "
                    + "sudo mount -o remount,mode=755 /sys/kernel/tracing.")
        }
        throw RecorderError(
            problem: "the kernel's tracing directory is not there: /sys/kernel/tracing/events",
            remedy: "Mount it: mount -t tracefs nodev /sys/kernel/tracing. In a container, record "
                + "outside of it.")
    }
}

/// Small questions to the file system.
enum HostPath {
    /// The path of a program as a shell would find it.
    static func find(_ program: String) -> String? {
        if program.contains("/") { return access(program, X_OK) == 0 ? program : nil }
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        for folder in path.split(separator: ":") {
            let candidate = folder + "/" + program
            if access(candidate, X_OK) == 0 { return candidate }
        }
        return nil
    }

    /// A small file as text.
    static func contents(_ path: String) -> String? {
        (try? WorkFile.bytes(of: path)).map { String(decoding: $0, as: UTF8.self) }
    }
}

// SPDX-License-Identifier: Apache-2.0
//
// Our texts beside those of the host's kernel: field names and their order, columns and units.
// Values differ, of course. Kernels differ in which fields they have; those that both have must
// stand in the same order, and on the release that the texts were written from all must agree.

import Foundation
import Testing

@testable import Mooring

/// A file of the host's /proc, or `nil` where it cannot be read.
private func hostText(_ path: String) -> String? {
    guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? handle.close() }
    guard let data = try? handle.readToEnd(), !data.isEmpty else { return nil }
    return String(decoding: data, as: UTF8.self)
}

private let isReferenceRelease =
    hostText("/proc/sys/kernel/osrelease")?.hasPrefix("6.18.") ?? false

/// A text with each number replaced by `#`, so that only layout is left.
private func layout(_ line: Substring) -> String {
    line.split(separator: " ").map { $0.allSatisfy(\.isNumber) ? "#" : String($0) }
        .joined(separator: " ")
}

@Suite struct HostShapeTests {
    /// A machine with a process that has a bit of everything.
    private func makeTask() throws -> Machine.Task {
        let machine = try Machine.small(cpus: 2)
        let task = machine.spawn()
        let program = machine.makeFile(named: "/bin/p", kind: .disk, length: .pages(16))
        try task.loadProgram(program)
        let region = try task.mmap(
            length: .pages(8), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region, .write)
        return task
    }

    /// The text of one of our views by its file's name.
    private func ourText(_ name: String) throws -> String {
        let task = try makeTask()
        switch name {
        case "smaps": return task.smaps()
        case "smaps_rollup": return task.smapsRollup()
        case "status": return task.status()
        case "meminfo": return task.machine.meminfo()
        case "vmstat": return task.machine.vmstat()
        case "zoneinfo": return task.machine.zoneinfo()
        case "buddyinfo": return task.machine.buddyinfo()
        default: return task.machine.pagetypeinfo()
        }
    }

    @Test(arguments: ["smaps", "smaps_rollup", "status"])
    func `a process's fields are the host's, in its order`(_ name: String) throws {
        guard let host = hostText("/proc/self/\(name)") else {
            try Test.cancel("/proc/self/\(name) cannot be read here")
        }
        let ours = fieldNames(try ourText(name))
        let theirs = fieldNames(host)
        switch name {
        case "smaps":
            let paragraph = theirs.prefix { $0 != "VmFlags" }.filter { !$0.contains("-") }
            let mine = ours.prefix { $0 != "VmFlags" }.filter { !$0.contains("-") }
            #expect(isSameOrder(mine, as: paragraph))
            if isReferenceRelease { #expect(mine == paragraph) }
        default:
            let mine = ours.filter { !$0.contains("-") }
            let names = theirs.filter { !$0.contains("-") }
            #expect(isSameOrder(mine, as: names))
            if isReferenceRelease { #expect(Set(mine).isSubset(of: names)) }
        }
    }

    @Test func `a value stands in the host's columns`() throws {
        guard let host = hostText("/proc/self/smaps"), let memory = hostText("/proc/meminfo") else {
            try Test.cancel("/proc/self/smaps or /proc/meminfo cannot be read here")
        }
        let task = try makeTask()
        for (ours, theirs) in [(task.smaps(), host), (task.machine.meminfo(), memory)] {
            // The same label, and a unit that ends in the same column where the number fits.
            func widths(_ text: String) -> [String: Int] {
                Dictionary(
                    text.split(separator: "\n").filter { $0.hasSuffix(" kB") }.map {
                        (String($0.prefix { $0 != ":" }), $0.utf8.count)
                    }, uniquingKeysWith: min)
            }
            let wanted = widths(theirs)
            for (name, width) in widths(ours) {
                if let other = wanted[name] { #expect(width == other, "\(name)") }
            }
        }
    }

    @Test func `the host's own lines of maps come out the same`() throws {
        guard let host = hostText("/proc/self/maps") else {
            try Test.cancel("/proc/self/maps cannot be read here")
        }
        for line in host.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard parts.count >= 5, parts[3] == "00:00" else { continue }
            let ends = parts[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            let name = parts.count > 5 ? parts[5].drop { $0 == " " } : ""
            var ours = TextBuffer()
            VMARef.appendMapsLine(
                to: &ours, start: ends[0], end: ends[1], rights: String(parts[1]), offset: 0,
                file: nil, name: String(name))
            #expect(ours.text == line + "\n")
        }
    }

    @Test(arguments: ["meminfo", "vmstat"])
    func `the machine's fields are the host's, in its order`(_ name: String) throws {
        guard let host = hostText("/proc/\(name)") else {
            try Test.cancel("/proc/\(name) cannot be read here")
        }
        func names(_ text: String) -> [String] {
            text.split(separator: "\n").compactMap {
                $0.split { $0 == ":" || $0 == " " }.first.map(String.init)
            }
        }
        let ours = names(try ourText(name))
        let theirs = names(host)
        #expect(isSameOrder(ours, as: theirs))
        if isReferenceRelease {
            // Counters of TLB flushes are a debugging option of the kernel's.
            #expect(ours.filter { !$0.hasPrefix("nr_tlb_") } == theirs)
        }
    }

    @Test(arguments: ["zoneinfo", "buddyinfo", "pagetypeinfo"])
    func `a zone's lines are laid out as the host's`(_ name: String) throws {
        guard let host = hostText("/proc/\(name)") else {
            try Test.cancel("/proc/\(name) cannot be read here")
        }
        // Zones differ, so whole lines are compared by their layout: every layout of ours that
        // is not about a zone the host lacks has to be one of the host's.
        func layouts(_ text: String) -> Set<String> {
            Set(
                text.split(separator: "\n").filter { !$0.contains("protection:") }.map {
                    layout($0).replacing("Movable,", with: "DMA32,")
                })
        }
        let strange = layouts(try ourText(name)).subtracting(layouts(host))
        if isReferenceRelease { #expect(strange.isEmpty, "\(strange.sorted())") }
        // The columns too: blanks before a number make lines as wide as the host's where the
        // numbers have the same number of digits.
        func indents(_ text: String) -> [String: Int] {
            Dictionary(
                text.split(separator: "\n").map { line in
                    (layout(line), line.prefix { $0 == " " }.count)
                }, uniquingKeysWith: { one, _ in one })
        }
        let wanted = indents(host)
        for (line, indent) in indents(try ourText(name)) {
            if let other = wanted[line] { #expect(indent == other, "\(line)") }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Glibc
import Mooring
import Testing
import Workloads

@testable import LinuxHost

private let page: UInt64 = 4096

/// A program that was loaded at random addresses, on a machine where the limit on the stack was
/// the usual one.
private func program(_ name: String = "program", mapTop: UInt64 = 0x7fb5_2761_4000) -> ExecImage {
    let file = FileID(rawValue: 1)
    func area(
        _ address: UInt64, _ pages: UInt64, _ protection: Protection, file: FileID? = nil,
        offset: UInt64 = 0, _ purpose: ExecImage.Area.Purpose = .segment
    ) -> ExecImage.Area {
        ExecImage.Area(
            address: address, length: pages * page, protection: protection, file: file,
            fileOffset: offset, purpose: purpose)
    }
    return ExecImage(
        name: name,
        areas: [
            area(0x5581_0000_0000, 4, [.read, .execute], file: file),
            area(0x5581_0000_4000, 2, [.read, .write], file: file, offset: 3 * page),
            area(0x5581_0000_6000, 3, [.read, .write]),
            area(mapTop - 4 * page, 4, .read, file: file),
            area(0x7ffe_1230_0000, 33, [.read, .write], .stack),
        ],
        mapTop: mapTop, breakStart: 0x5582_1111_1d00)
}

private func libraryFile() -> Call {
    .createFile(
        FileID(rawValue: 1),
        FileDescription(kind: .disk, length: 16 * page, name: "program", isCached: true))
}

@Suite struct `A program on the host's kernel` {
    @Test func `lies where it was recorded`() throws {
        let process = try KernelProcess()
        try process.perform(libraryFile())
        let limit = try process.system.helper(process.id).limit(.stack)
        #expect(try process.perform(.exec(program())) == .value(0))
        #expect(
            try process.areas == [
                "558100000000-558100004000 r-xp", "558100004000-558100006000 rw-p",
                "558100006000-558100009000 rw-p", "7fb527610000-7fb527614000 r--p",
                "7ffe12300000-7ffe12321000 rw-p",
            ])
        #expect(try process.text(.maps).contains("[stack]"))
        #expect(try process.system.helper(process.id).limit(.stack) == limit)
        #expect(process.system.remarks == [])
        // Nothing of it is resident, and what the exec itself took is not shown.
        #expect(try process.sample.peakResident == 0)
        #expect(try process.perform(.access(span(0x5581_0000_0000, page), .execute)) == .value(0))
        #expect(try process.sample.peakResident == 4 * page)
    }

    @Test func `finds room and grows its heap and stack as it did`() throws {
        let process = try KernelProcess()
        try process.perform(libraryFile())
        for mapTop: UInt64 in [0x7fb5_2761_4000, 0x7ed0_0000_0000, 0x7fff_f7ff_f000] {
            #expect(try process.perform(.exec(program(mapTop: mapTop))) == .value(0))
            #expect(try process.map(2 * page) == mapTop - 6 * page)
            #expect(try process.perform(.brk(.absolute(0))) == .value(0x5582_1111_1d00))
            #expect(
                try process.perform(.brk(.absolute(0x5582_1111_3001))) == .value(0x5582_1111_3001))
            #expect(try process.text(.maps).contains("558211112000-558211114000 rw-p"))
            let below: UInt64 = 0x7ffe_1230_0000 - 20 * page
            #expect(try process.perform(.access(span(below, 1), .write)) == .value(0))
            #expect(try process.areas.contains("7ffe122ec000-7ffe12321000 rw-p"))
        }
    }

    @Test func `has the kernel's vdso, or memory in place of another`() throws {
        let host = try hostText("/proc/self/maps")
        var image = ExecImage(
            name: "v", areas: [], mapTop: 0x7fb5_2761_4000, breakStart: 0x5582_0000_0000)
        var address: UInt64 = 0x7fb5_2700_0000
        for line in host.split(separator: "\n") {
            guard line.hasSuffix("]"), let range = areaRange(of: line) else { continue }
            let isCode = line.hasSuffix("[vdso]")
            guard isCode || line.contains("[vvar") else { continue }
            image.areas.append(
                ExecImage.Area(
                    address: address, length: UInt64(range.count),
                    protection: isCode ? [.read, .execute] : .read,
                    purpose: isCode ? .vdso : .vvar))
            address += UInt64(range.count)
        }
        let code = try #require(image.areas.firstIndex { $0.purpose == .vdso })

        let process = try KernelProcess()
        #expect(try process.perform(.exec(image)) == .value(0))
        #expect(process.system.remarks == [])
        let maps = try process.text(.maps)
        #expect(maps.contains("[vdso]"))
        #expect(maps.split(separator: "\n").count == image.areas.count)
        let start = image.areas[code].address
        #expect(try process.perform(.access(span(start, 1), .execute)) == .value(0))

        image.areas[code].length += page
        #expect(try process.perform(.exec(image)) == .value(0))
        #expect(process.system.remarks.count == 1)
        #expect(try !process.text(.maps).contains("[vdso]"))
        #expect(try process.perform(.access(span(start, 1), .execute)) == .value(0))
    }

    @Test func `that was begun as vfork begins it leaves its parent's memory alone`() throws {
        let parent = try KernelProcess()
        try parent.perform(libraryFile())
        let start = try parent.map(4 * page)
        let child = try parent.fork(sharesMemory: true)
        #expect(try parent.system.pid(of: parent.id) == parent.system.pid(of: child.id))
        try child.perform(.store(span(start, page), seed: 3))
        let stored = try child.perform(.load(span(start, page)))
        #expect(throws: HostRefusal.self) { try child.perform(.setLimit(.stack, soft: 0, hard: 0)) }

        let faults = try parent.sample.minorFaults
        #expect(try child.perform(.exec(program())) == .value(0))
        #expect(try parent.system.pid(of: parent.id) != parent.system.pid(of: child.id))
        #expect(try child.sample.minorFaults == 0)
        #expect(try child.areas.count == 5)
        #expect(try parent.areas.count == 1)
        #expect(try parent.perform(.load(span(start, page))) == stored)
        // No memory was copied, so that none is to be copied on write.
        try parent.perform(.access(span(start, page), .write))
        #expect(try parent.sample.minorFaults == faults)

        #expect(try child.perform(.exit) == .value(0))
        #expect(try parent.sample.resident == page)
    }

    @Test func `outlives the parent that it shares memory with`() throws {
        let parent = try KernelProcess()
        let start = try parent.map(page)
        let child = try parent.fork(sharesMemory: true)
        #expect(try parent.perform(.exit) == .value(0))
        #expect(throws: SystemFailure.self) { try parent.sample }
        #expect(try child.perform(.access(span(start, page), .write)) == .value(0))
        let pid = try child.system.pid(of: child.id)
        #expect(try child.perform(.exit) == .value(0))
        #expect(kill(pid, 0) != 0)
    }

    @Test func `has its files in the page cache, in folios as large as recorded`() throws {
        let process = try KernelProcess()
        let file = FileID(rawValue: 1)
        try process.perform(
            .createFile(
                file,
                FileDescription(
                    kind: .disk, length: 512 * page - 100, name: "cached", isCached: true,
                    largeFolios: [128..<160, 256..<384])))
        let start: UInt64 = 0x10_0000_0000
        try process.perform(
            .mmap(
                address: .absolute(start), length: 512 * page, protection: .read,
                flags: [.private, .fixedNoReplace], file: file, offset: 0))
        func mapped(by index: UInt64) throws -> UInt64 {
            let before = try process.sample
            try process.perform(.access(span(start + index * page, 1), .read))
            let after = try process.sample
            #expect(after.majorFaults == 0)
            return (after.resident - before.resident) / page
        }
        #expect(try mapped(by: 20) == 16)
        #expect(try mapped(by: 511) == 16)
        guard getenv("TMPDIR") == nil, try largeFoliosAreMade() else { return }
        #expect(try mapped(by: 130) == 32)
        #expect(try mapped(by: 300) == 128)
    }

    /// Whether the file system of temporary files is known to make large folios: ext4, Linux 6.16.
    private func largeFoliosAreMade() throws -> Bool {
        // The last mount of those that hold the directory is the one in force.
        let mounts = try hostText("/proc/mounts").split(separator: "\n").map {
            $0.split(separator: " ")
        }
        let holding = mounts.filter { "/var/tmp/".hasPrefix($0[1] + ($0[1] == "/" ? "" : "/")) }
        guard holding.max(by: { $0[1].count <= $1[1].count })?[2] == "ext4" else { return false }
        let release = try hostText("/proc/sys/kernel/osrelease").split(separator: ".")
        let version = release.prefix(2).compactMap { Int($0) }
        return version.count == 2 && (version[0], version[1]) >= (6, 16)
    }
}

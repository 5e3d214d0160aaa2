// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct MachineViewsTests {
    /// The figure after a name that begins a line.
    private func value(_ name: String, in text: String) -> Int? {
        for line in text.split(separator: "\n") {
            let parts = line.split { $0 == " " || $0 == ":" }
            if parts.first.map(String.init) == name, parts.count > 1 { return Int(parts[1]) }
        }
        return nil
    }

    @Test func `every counter that a kernel has is a line of vmstat, once`() {
        let sections = [
            KernelCounters.zone, KernelCounters.locality, KernelCounters.node,
            KernelCounters.machine, KernelCounters.events,
        ]
        let names = sections.flatMap(\.self)
        #expect(Set(names).count == names.count)
        // A counter that is missing here belongs into one of the lists of KernelCounters, or
        // after `Event.extfrag` if no kernel has it.
        for gauge in Gauge.allCases {
            #expect(names.contains(gauge.rawValue), "\(gauge)")
        }
        for event in Event.allCases where event.isInVmstat {
            #expect(KernelCounters.events.contains(event.rawValue), "\(event)")
        }
    }

    @Test func `meminfo agrees with the machine, waiting batches included`() throws {
        let machine = try Machine.small(cpus: 2)
        let task = machine.spawn(on: 1)
        let region = try task.mmap(
            length: .pages(40), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region, .write)
        try task.mlock(region[0..<5])
        let shared = try task.mmap(
            length: .pages(20), protection: [.read, .write], flags: [.shared, .anonymous])
        try task.access(shared[0..<7], .write)
        let text = machine.meminfo()
        let lines = text.split(separator: "\n")
        #expect(lines.first == "MemTotal:          65536 kB")
        #expect(lines.last == "DirectMap1G:           0 kB")
        #expect(lines.count == 54)
        #expect(text.contains("VmallocTotal:   34359738367 kB\n"))
        #expect(text.contains("HugePages_Total:       0\n"))
        #expect(value("Mlocked", in: text) == 20)
        #expect(value("Unevictable", in: text) == 20)
        #expect(value("AnonPages", in: text) == 160)
        #expect(value("Cached", in: text) == 28)
        #expect(value("Shmem", in: text) == 28)
        #expect(value("Mapped", in: text) == 28)
        #expect(value("Inactive(anon)", in: text) == 140 + 28)
        #expect(value("PageTables", in: text) == 16)
        #expect(value("Committed_AS", in: text) == 160 + 80)
        #expect(value("CommitLimit", in: text) == 32768)
        let free = try #require(value("MemFree", in: text))
        let waiting = machine.allocator.usedPerCPUFrames.kilobytes
        // All frames: those free, on CPUs' lists, mapped, of tables, and the zero page.
        #expect(free + waiting + 160 + 28 + 16 + 4 == 65536)
        let available = try #require(value("MemAvailable", in: text))
        #expect(available > 0 && available <= free)
        try machine.audit()
    }

    @Test func `vmstat has the same figures, zone by zone and in all`() throws {
        var configuration = MachineConfiguration(memory: .gibibytes(5))
        configuration.faultAroundPages = 1
        let machine = try Machine(configuration)
        let task = machine.spawn()
        let region = try task.mmap(
            length: .pages(400), protection: [.read, .write], flags: [.private, .anonymous])
        try task.mlock(region[0..<100])
        try task.munlock(region[0..<10])
        let text = machine.vmstat()
        #expect(text.hasPrefix("nr_free_pages "))
        #expect(text.hasSuffix("\nnr_unstable 0\n"))
        #expect(value("nr_mlock", in: text) == 90)
        #expect(value("nr_unevictable", in: text) == 90)
        #expect(value("nr_zone_unevictable", in: text) == 90)
        #expect(value("unevictable_pgs_mlocked", in: text) == 100)
        #expect(value("unevictable_pgs_munlocked", in: text) == 10)
        #expect(value("nr_anon_pages", in: text) == 100)
        let zones = machine.zoneinfo()
        let locked = zones.split(separator: "\n").filter { $0.hasPrefix("      nr_mlock ") }
        #expect(
            locked.compactMap { Int($0.split(separator: " ")[1]) }.reduce(0, +) == 90)
        let free = machine.allocator.zoneStatistics.reduce(0) { $0 + $1.free }
        #expect(value("nr_free_pages", in: text) == free)
    }

    @Test func `zoneinfo of a small machine is the kernel's, line by line`() throws {
        let machine = try Machine.small()
        let lines = machine.zoneinfo().split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "Node 0, zone    DMA32")
        #expect(lines[1] == "  per-node stats")
        #expect(lines[2] == "      nr_inactive_anon 0")
        let start = 2 + KernelCounters.node.count
        let zone = try #require(machine.allocator.zoneStatistics.first)
        let lists = try #require(zone.perCPU.first)
        #expect(
            lines[start..<start + 11] == [
                "  pages free     \(zone.free)",
                "        boost    0",
                "        min      \(zone.min)",
                "        low      \(zone.low)",
                "        high     \(zone.high)",
                "        promo    \(2 * zone.high - zone.low)",
                "        spanned  16384",
                "        present  16384",
                "        managed  16384",
                "        cma      0",
                "        protection: (0, 0, 0)",
            ])
        #expect(lines[start + 11] == "      nr_free_pages \(zone.free)")
        #expect(lines[start + 19] == "      nr_mlock     0")
        #expect(lines[start + 22] == "      numa_hit     0")
        #expect(
            lines[(start + 28)...] == [
                "  pagesets",
                "    cpu: 0",
                "              count:    \(lists.count)",
                "              high:     \(lists.high)",
                "              batch:    \(lists.batch)",
                "              high_min: \(lists.high)",
                "              high_max: \(lists.high)",
                "  vm stats threshold: 0",
                "  node_unreclaimable:  0",
                "  start_pfn:           0",
                "Node 0, zone   Normal",
                "  pages free     0",
                "        boost    0",
                "        min      0",
                "        low      0",
                "        high     0",
                "        promo    0",
                "        spanned  0",
                "        present  0",
                "        managed  0",
                "        cma      0",
                "        protection: (0, 0, 0)",
                "Node 0, zone  Movable",
                "  pages free     0",
                "        boost    0",
                "        min      0",
                "        low      0",
                "        high     0",
                "        promo    0",
                "        spanned  0",
                "        present  0",
                "        managed  0",
                "        cma      0",
                "        protection: (0, 0, 0)",
                "",
            ])
    }

    @Test func `shows free blocks and how scattered they are`() throws {
        let machine = try Machine.small()
        #expect(machine.buddyinfo().hasPrefix("Node 0, zone    DMA32 "))
        #expect(machine.pagetypeinfo().hasPrefix("Page block order: 9\n"))
        #expect(machine.extfragUnusableIndex().hasPrefix("Node 0, zone    DMA32 0.000 "))
        #expect(machine.extfragIndex().hasPrefix("Node 0, zone    DMA32 -1.000 "))
    }

    @Test func `a look at a machine leaves it as it is`() throws {
        let machine = try Machine.small(cpus: 2)
        let task = machine.spawn()
        let region = try task.mmap(
            length: .pages(50), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region, .write)
        func look() -> [String] {
            [
                machine.meminfo(), machine.vmstat(), machine.zoneinfo(), machine.buddyinfo(),
                machine.pagetypeinfo(), machine.extfragUnusableIndex(), machine.extfragIndex(),
                task.maps(), task.smaps(), task.smapsRollup(), task.status(), task.statm(),
            ]
        }
        let first = look()
        try machine.audit()
        #expect(look() == first)
    }
}

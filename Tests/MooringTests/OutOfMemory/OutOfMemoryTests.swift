// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct OutOfMemoryTests {
    @Test func `the largest goes, and the one that asks goes on`() throws {
        let machine = try ReclaimBench.machine()
        let large = machine.spawn()
        let small = machine.spawn()
        try large.access(try large.mapPrivate(pages: 2500), .write)
        let region = try small.mapPrivate(pages: 2000)
        try small.access(region, .write)
        #expect(large.isKilled)
        #expect(!small.isKilled)
        #expect(machine.total(.oomKill) == 1)
        #expect(throws: AccessFailure.self) {
            try large.access(Region(address: region.address, length: 1), .read)
        }
        try machine.audit()
        large.exit()
        try machine.audit()
    }

    @Test func `an adjustment protects, and one condemns`() throws {
        let machine = try ReclaimBench.machine()
        let large = machine.spawn()
        let small = machine.spawn()
        let asking = machine.spawn()
        try large.access(try large.mapPrivate(pages: 2500), .write)
        try small.access(try small.mapPrivate(pages: 300), .write)
        try large.setOOMScoreAdjustment(-1000)
        try small.setOOMScoreAdjustment(900)
        #expect(throws: Errno.EINVAL) { try small.setOOMScoreAdjustment(1001) }
        try asking.access(try asking.mapPrivate(pages: 1300), .write)
        #expect(!large.isKilled)
        #expect(small.isKilled)
        #expect(!asking.isKilled)
        try machine.audit()
    }

    @Test func `locked memory of a victim is freed too`() throws {
        let machine = try ReclaimBench.machine()
        let victim = machine.spawn()
        let asking = machine.spawn()
        let locked = try victim.mapPrivate(pages: 3000)
        try victim.mlock(locked)
        try asking.access(try asking.mapPrivate(pages: 2000), .write)
        #expect(victim.isKilled)
        machine.drainBatches()
        #expect(machine.total(.mlock) == 0)
        #expect(machine.total(.unevictable) == 0)
        // What it holds of locked VMAs is counted until it exits.
        #expect(victim.figures().locked == 3000)
        try machine.audit()
        try victim.munlock(locked)
        try machine.audit()
        victim.exit()
        try machine.audit()
    }

    @Test func `mlock that finds no memory makes room, or fails`() throws {
        let machine = try ReclaimBench.machine()
        let other = machine.spawn()
        try other.access(try other.mapPrivate(pages: 2000), .write)
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 3000)
        try task.mlock(region)
        #expect(other.isKilled)
        let more = try task.mapPrivate(pages: 3000)
        #expect(throws: Errno.EAGAIN) { try task.mlock(more) }
        #expect(task.isKilled)
        try machine.audit()
    }

    @Test func `nobody but the protected one is left: it goes`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        try task.setOOMScoreAdjustment(-1000)
        try task.access(try task.mapPrivate(pages: 2500), .write)
        let more = try task.mapPrivate(pages: 2500)
        #expect(throws: AccessFailure.self) { try task.access(more, .write) }
        #expect(task.isKilled)
        try machine.audit()
    }
}

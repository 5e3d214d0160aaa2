// SPDX-License-Identifier: Apache-2.0
//
// Words for what CPUs touch: which record, and which field of it.

extension Machine {
    /// What a CPU touches at an address of the host, in words.
    package func describe(address: UInt) -> String? {
        describeMemory(address) ?? describeCPU(address) ?? describeSpace(address)
            ?? describeRecord(address) ?? describeAccount(address)
    }

    /// The name of the last field that begins at or before a byte of a record.
    private func field(
        _ byte: Int, _ fields: KeyValuePairs<Int, String>, of record: String
    ) -> String {
        guard let name = fields.last(where: { $0.key <= byte })?.value, !name.isEmpty else {
            return record
        }
        return "\(name) of \(record)"
    }

    private func describeMemory(_ address: UInt) -> String? {
        if let (pfn, byte) = frames.locate(address) {
            // The lock of the table that the frame is has no name of its own.
            return field(
                byte, [0: "flags", 4: "", 8: "counts", 16: "links", 24: "owner"],
                of: "frame \(pfn.rawValue)")
        }
        if let (pfn, byte) = memory.locate(address) {
            return "entry \(byte / 8) in frame \(pfn.rawValue)"
        }
        if memory.hasDirectory(at: address) { return "directory of memory" }
        for zone in allocator.zones {
            if address &- UInt(bitPattern: zone.raw) < UInt(ZoneRef.stride) {
                return "zone \(zone.type.kernelName)"
            }
            let block = address &- UInt(bitPattern: zone.pageblocks.base)
            if block <= UInt(frames.count >> pageblockOrder) { return "type of pageblock \(block)" }
        }
        return lists.locate(address).map { "LRU lists of node \($0)" }
    }

    private func describeCPU(_ address: UInt) -> String? {
        for cpu in cpus {
            if UInt(bitPattern: cpu.state) == address { return "CPU \(cpu.index)" }
        }
        if let index = allocator.locateLists(address) { return "free frames of CPU \(index)" }
        if let index = batches.locate(address) { return "batches of CPU \(index)" }
        return spaces.tlb.caches?.locate(address).map { "TLB of CPU \($0)" }
    }

    private func describeSpace(_ address: UInt) -> String? {
        if let (number, byte) = spaces.spaces.locate(address) {
            return field(
                byte,
                [
                    0: "future lock", 8: "", 12: "upper tables", 16: "table count",
                    24: "generation", 32: "withdrawals", 40: "users", 48: "root", 52: "",
                    offset(of: \AddressSpaceState.peakResident): "peak size",
                    offset(of: \AddressSpaceState.lockChanges): "lock changes",
                    offset(of: \AddressSpaceState.peakTotal): "",
                    offset(of: \AddressSpaceState.reaped): "end",
                ], of: "address space \(number)")
        }
        var name: String?
        spaces.spaces.forEachLive { number, state in
            if UInt(bitPattern: state.pointee.tree.state) == address {
                name = "VMAs of address space \(number)"
            }
            let byte = address &- UInt(bitPattern: state.pointee.slots)
            if byte < UInt(cpus.count * AddressSpace.slotStride) {
                let (cpu, rest) = Int(byte).quotientAndRemainder(
                    dividingBy: AddressSpace.slotStride)
                name = field(
                    rest,
                    [
                        0: "", 8: "sizes", 32: "fault counts", 48: "memory", 104: "mark",
                        112: "swapped pages",
                    ], of: "CPU \(cpu) in address space \(number)")
            }
        }
        return name
    }

    private func offset<Record>(of field: PartialKeyPath<Record>) -> Int {
        MemoryLayout<Record>.offset(of: field) ?? .max
    }

    private func describeRecord(_ address: UInt) -> String? {
        if let (number, byte) = spaces.vmas.locate(address) {
            return field(
                byte, [0: "start", 8: "end", 16: "flags", 24: "page offset", 32: ""],
                of: "VMA \(number)")
        }
        if let (number, byte) = cache.files.locate(address) {
            let file = "file \(number)"
            return switch byte {
            case offset(of: \FileState.mappingsLock), offset(of: \FileState.mappings):
                "mappings of \(file)"
            case offset(of: \FileState.cacheLock), offset(of: \FileState.index): "pages of \(file)"
            case offset(of: \FileState.length): "length of \(file)"
            case offset(of: \FileState.references): "references of \(file)"
            case offset(of: \FileState.seals): "seals of \(file)"
            default: file
            }
        }
        if let (number, byte) = spaces.groups.groups.locate(address) {
            return field(
                byte,
                [0: "", 8: "references", offset(of: \AnonGroupState.links): "links"],
                of: "group \(number)")
        }
        return spaces.groups.links.locate(address).map { "group link \($0.number)" }
    }

    /// What stands for the whole machine.
    private func describeAccount(_ address: UInt) -> String? {
        if processes.hasLock(at: address) { return "processes" }
        if spaces.vmas.hasState(at: address) { return "free VMAs" }
        if spaces.vmaRests.hasDirectory(at: address) { return "directory of VMAs" }
        if spaces.spaces.hasState(at: address) { return "free address spaces" }
        if cache.files.hasState(at: address) { return "free files" }
        if spaces.groups.groups.hasState(at: address) { return "free groups" }
        if spaces.groups.links.hasState(at: address) { return "free group links" }
        if spaces.commitment.hasState(at: address) { return "promised memory" }
        return swap.hasState(at: address) ? "swap" : nil
    }
}

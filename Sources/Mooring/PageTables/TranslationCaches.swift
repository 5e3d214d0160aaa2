// SPDX-License-Identifier: Apache-2.0
//
// What the TLB of each CPU may hold, on machines that keep account of it: a translation that is
// used after it was withdrawn, and a frame that is freed under one, are found where they happen.
//
// STATE      For each CPU a direct-mapped table that its accesses fill. It changes no result: an
//            access walks the page tables all the same, and compares.
// INVARIANT  A translation agrees with its entry, or is about to be flushed: then its address space
//            has a withdrawal under way. No frame is freed while a translation to it is held.
// LOCKS      tlb, one a CPU. To whoever flushes, filling is one step: reading the entry and keeping
//            it, as it is on a processor, which answers no interrupt in between.

/// What a CPU holds of one page.
struct Translation {
    /// The address space's number; all ones where nothing is held.
    var space = UInt32.max
    /// The page's number.
    var page: UInt64 = 0
    /// The entry as it was read.
    var entry = Entry.empty

    /// Whether a processor that holds it does what one that reads `current` would do, at most.
    ///
    /// The accessed bit may go unflushed, as it does on Linux.
    func agrees(with current: Entry) -> Bool {
        current.isPresent && current.frame == entry.frame
            && (current.isWritable || !entry.isWritable)
            && (current.isExecutable || !entry.isExecutable)
            && (current.isDirty || !entry.isDirty)
    }
}

/// The translations that the CPUs of a machine hold.
struct TranslationCaches {
    /// The flat state; one record of `stride` bytes a CPU: 64 for the lock, then its translations.
    private struct State {
        let records: UnsafeMutableRawPointer
        let stride: Int
        let cpuCount: Int
        let capacity: Int
    }

    private let state: UnsafePointer<State>

    /// Empty tables of `capacity` translations, a power of two, for each CPU.
    init(capacity: Int, cpuCount: Int) {
        let stride = (64 + capacity * MemoryLayout<Translation>.stride + 127) & ~127
        let records = UnsafeMutableRawPointer.allocate(
            byteCount: cpuCount * stride, alignment: 128)
        records.initializeMemory(as: UInt8.self, repeating: 0, count: cpuCount * stride)
        state = UnsafePointer(
            UnsafeMutablePointer(
                holding: State(
                    records: records, stride: stride, cpuCount: cpuCount, capacity: capacity)))
        for index in 0..<cpuCount {
            translations(ofCPU: index).initialize(repeating: Translation(), count: capacity)
        }
    }

    /// Gives the memory back.
    func deallocate() {
        state.pointee.records.deallocate()
        state.deallocate()
    }

    /// The CPU whose translations an address lies in.
    func locate(_ address: UInt) -> Int? {
        let offset = address &- UInt(bitPattern: state.pointee.records)
        let index = offset / UInt(state.pointee.stride)
        return index < UInt(state.pointee.cpuCount) ? Int(index) : nil
    }

    private func lock(ofCPU index: Int) -> SpinLock {
        // Not first: the thread sanitizer logs a change of any field at the record's address.
        SpinLock(at: state.pointee.records + index * state.pointee.stride + 8)
    }

    private func translations(ofCPU index: Int) -> UnsafeMutablePointer<Translation> {
        (state.pointee.records + index * state.pointee.stride + 64)
            .assumingMemoryBound(to: Translation.self)
    }

    /// Changes or looks at what a CPU holds.
    private func withTranslations(
        ofCPU index: Int, on cpu: CPU,
        _ body: (UnsafeMutableBufferPointer<Translation>) -> Void
    ) {
        lock(ofCPU: index).lock(.tlb, on: cpu)
        defer { lock(ofCPU: index).unlock(.tlb, on: cpu) }
        body(
            UnsafeMutableBufferPointer(
                start: translations(ofCPU: index), count: state.pointee.capacity))
    }

    /// An access of the CPU: compares what it holds of the page with the entry, and holds the entry
    /// from now on.
    ///
    /// Stops the program if they disagree and nobody is about to flush.
    func access(_ address: UInt64, in space: AddressSpace, _ tables: PageTables, on cpu: CPU) {
        guard address < PageTables.userTop else { return }
        let page = address >> pageShift
        withTranslations(ofCPU: cpu.index, on: cpu) { translations in
            let entry = tables.entry(root: space.root, address)
            let place = Int(page) & (translations.count - 1)
            let held = translations[place]
            let isHeld = held.space == space.number && held.page == page
            if isHeld, !held.agrees(with: entry) {
                // RACE: the entry was seen after it changed, so a withdrawal that it is part of has
                // begun by now. If none is under way it has ended, and has flushed what is held,
                // for which it would have needed the lock that is held here.
                guard space.withdrawals.loadAcquiring() > 0 else {
                    SchedulingPoint.fail(
                        "CPU \(cpu.index) uses a stale translation of \(String(address, radix: 16))"
                            + " in address space \(space.number): it holds "
                            + "\(String(held.entry.bits, radix: 16)), the entry is "
                            + "\(String(entry.bits, radix: 16)), and nobody is about to flush")
                }
            }
            if entry.isPresent {
                translations[place] = Translation(space: space.number, page: page, entry: entry)
            } else if isHeld {
                translations[place] = Translation()
            }
        }
    }

    /// Drops what a CPU holds of a range; of all the address space where a flush would.
    func drop(_ space: AddressSpace, _ range: FlushRange, ofCPU index: Int, on cpu: CPU) {
        let pages = range.start >> pageShift..<range.end >> pageShift
        let dropsAll = range.pageCount > TLB.singlePageCeiling
        withTranslations(ofCPU: index, on: cpu) { translations in
            for place in translations.indices
            where translations[place].space == space.number
                && (dropsAll || pages.contains(translations[place].page))
            {
                translations[place] = Translation()
            }
        }
    }

    /// Stops the program if any CPU holds a translation to a frame that is about to be freed.
    func expectNone(to pfn: PFN, on cpu: CPU) {
        for index in 0..<state.pointee.cpuCount {
            withTranslations(ofCPU: index, on: cpu) { translations in
                for held in translations where held.space != .max && held.entry.frame == pfn {
                    SchedulingPoint.fail(
                        "frame \(pfn.rawValue) is freed while CPU \(index) holds the translation "
                            + "of \(String(held.page << pageShift, radix: 16)) in address space "
                            + "\(held.space) to it")
                }
            }
        }
    }

    /// Visits what every CPU holds; the machine must be at rest.
    func forEach(_ body: (_ cpuIndex: Int, Translation) throws -> Void) rethrows {
        for index in 0..<state.pointee.cpuCount {
            for place in 0..<state.pointee.capacity {
                let held = translations(ofCPU: index)[place]
                if held.space != .max { try body(index, held) }
            }
        }
    }
}

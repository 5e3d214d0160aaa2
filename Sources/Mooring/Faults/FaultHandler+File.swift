// SPDX-License-Identifier: Apache-2.0
//
// Faults on mapped files: reading, writing through a shared mapping, the first write through a
// private one.
//
// LAZY       A read fault maps its neighbours too, as far as they are in memory ("fault-around"):
//            the window is aligned by address, clipped to the VMA and the page table.
// ORDER      A page is looked up and mapped under one hold of the table's lock (see PageCache).

extension FaultHandler {
    /// Resolves a fault at an empty entry of a file's mapping.
    @inline(__always)
    func resolveFile(_ fault: Fault, _ table: TableRef) -> FaultOutcome {
        // The caller looked at the file field.
        let file = fault.vma.file.unsafelyUnwrapped
        if fault.kind == .write, !fault.vma.flags.contains(.shared) {
            return copyFilePage(fault, table, file)
        }
        var hasBroughtIn = false
        // LOCKS: a reference, from when the page has come until it is mapped. Its neighbours' coming,
        // or another CPU, could make reclaim take it otherwise, again and again.
        var held = PFN.none
        defer { letGo(&held, on: fault.cpu) }
        while true {
            let presence = mapFilePages(fault, table, file, completes: hasBroughtIn)
            // A file that was cached before the machine started has all neighbours in memory, but
            // the machine makes them when they are first asked for.
            let isDone =
                presence == .withNeighbours
                || presence == .withSomeNeighbours
                    && (hasBroughtIn || !file.pointer.pointee.isCached)
            if isDone {
                fault.cpu.count(fault.kind == .write ? .faultFileShared : .faultFileRead)
                return .resolved
            }
            hasBroughtIn = true
            switch bringIn(fault, file, holding: &held) {
            case .found: continue
            case .pastEnd, .failed: return .signal(.busPastEnd)
            case .noMemory: return outOfMemory(fault)
            case .refused: return .signal(.busNoMemory)
            }
        }
    }

    /// Whether a fault is past the end of its file, has no table yet, and would map nothing.
    ///
    /// LINUX: then only the upper tables are made.
    @inline(never)
    func isPastEndWithoutTable(_ fault: Fault, _ file: FileRef) -> Bool {
        let end = file.pageCount
        guard fault.vma.pageOffset(of: fault.page) >= end,
            tables.find(root: fault.space.root, fault.address) == nil
        else { return false }
        if fault.kind == .write {
            // The VMA of a private copy has its group before the file is looked at.
            if !fault.vma.flags.contains(.shared) {
                groups.prepare(fault.vma, in: fault.space, on: fault.cpu)
            }
        } else {
            // Even a read past the end maps what is around it.
            let first = fault.vma.pageOffset(of: window(of: fault, file).lowerBound)
            file.cacheLock.lock(.pageCache, on: fault.cpu)
            let around = file.index.firstPresent(from: first)
            file.cacheLock.unlock(.pageCache, on: fault.cpu)
            // LINUX: one page of a file on a disk is not worth a table.
            let isOnlyOne = file.kind == .disk && first &+ 1 == end
            if let around, around.offset < end, !isOnlyOne { return false }
        }
        return tables.makePMDTable(in: fault.space, fault.address, on: fault.cpu) != nil
    }

    /// What a fault has mapped.
    private enum Presence {
        case absent
        /// The faulting page, while some of its window are not in memory.
        case withSomeNeighbours
        case withNeighbours
    }

    /// Maps the faulting page, and for a read its neighbours, if the page is in memory.
    ///
    /// If another CPU has mapped the page, its neighbours are left to that CPU, but for a fault
    /// that `completes` what it began.
    @inline(__always)
    private func mapFilePages(
        _ fault: Fault, _ table: TableRef, _ file: FileRef, completes: Bool
    ) -> Presence {
        let vma = fault.vma
        let cpu = fault.cpu
        let isLocked = vma.flags.contains(.locked)
        let window = window(of: fault, file)
        var bits = FaultHandler.readOnlyBits(vma.flags)
        // A file in memory needs no notice of the first write, so that its shared pages are
        // writable at once; a device's do, to be written back.
        if vma.flags.contains([.shared, .write]), fault.kind == .write || file.kind == .memory {
            bits |= Entry.writable
        }
        let target = TableLevel.pte.index(of: fault.page)
        var mapped = 0
        var hasAllNeighbours = true
        table.lock(on: cpu)
        file.cacheLock.lock(.pageCache, on: cpu)
        let end = file.pageCount
        var isPresent = !table[target].isEmpty
        if !isPresent || completes {
            let offset = vma.pageOffset(of: fault.page)
            // LINUX: even a read past the end maps what is around it, before it fails.
            let isPastEnd = offset >= end && fault.kind != .write
            let pfn = offset < end ? file.index.lookup(offset) : .none
            if Mutation.mapsWithoutLooking.isActive {
                file.cacheLock.unlock(.pageCache, on: cpu)
                file.cacheLock.lock(.pageCache, on: cpu)
            }
            if pfn != .none, !isPresent {
                let frame = frames[pfn]
                counts.map(pfn, frame, isLocked: isLocked, on: cpu)
                table.set(
                    target,
                    Entry(frame: pfn, bits: fault.kind == .write ? bits | Entry.dirty : bits))
                if fault.kind == .write { frame.markDirty(on: cpu) }
                mapped = 1
                isPresent = true
            }
            if isPresent || isPastEnd, window.upperBound - window.lowerBound > pageSize {
                mapped += mapNeighbours(
                    fault, table, file, window, bits & ~Entry.accessed, isLocked, end,
                    &hasAllNeighbours)
            }
        }
        file.cacheLock.unlock(.pageCache, on: cpu)
        table.frame.liveEntries += mapped
        table.unlock(on: cpu)
        fault.slot.resident(file.residentKind).add(mapped)
        guard isPresent else { return .absent }
        return hasAllNeighbours ? .withNeighbours : .withSomeNeighbours
    }

    /// Maps what is in memory of a window around a fault; under the table's and the cache's lock.
    @inline(__always)
    private func mapNeighbours(
        _ fault: Fault, _ table: TableRef, _ file: FileRef, _ window: Range<UInt64>,
        _ bits: UInt64, _ isLocked: Bool, _ end: UInt64, _ hasAll: inout Bool
    ) -> Int {
        var mapped = 0
        var address = window.lowerBound
        while address < window.upperBound {
            let offset = fault.vma.pageOffset(of: address)
            guard offset < end else { break }
            // 512 pages of a file at a time, the part of them that the window has.
            let inLeaf = 512 - offset & 511
            let stop = min(
                window.upperBound, address + min(inLeaf, end - offset) << pageShift)
            guard let leaf = file.index.leaf(containing: offset) else {
                hasAll = false
                address = stop
                continue
            }
            var slot = Int(offset - leaf.firstOffset)
            var index = TableLevel.pte.index(of: address)
            while address < stop {
                let pfn = leaf.pfns[slot]
                if !pfn.isFrame {
                    hasAll = false
                } else if table[index].isEmpty {
                    counts.map(pfn, frames[pfn], isLocked: isLocked, on: fault.cpu)
                    table.set(index, Entry(frame: pfn, bits: bits))
                    mapped += 1
                }
                slot += 1
                index += 1
                address += pageSize
            }
        }
        fault.cpu.count(.faultAroundMapped, mapped)
        return mapped
    }

    /// The addresses that a fault may map: for a read a window aligned by its own size, clipped to
    /// the VMA and to the page table; for a write its page; in both cases with every large folio
    /// that this touches, if the folio lies in the VMA and in the page table.
    @inline(__always)
    private func window(of fault: Fault, _ file: FileRef) -> Range<UInt64> {
        let region = UInt64(1) << TableLevel.pmd.rawValue
        let tableEnd = (fault.page | (region - 1)) + 1
        var window = fault.page..<fault.page + pageSize
        // LINUX: a segment that shmat mapped is mapped page by page.
        if fault.kind != .write, !file.isSegment {
            let size = UInt64(faultAroundPages) << pageShift
            let from = max(fault.page & ~(size - 1), fault.vma.start)
            let to = min(from + size, fault.vma.end, tableEnd)
            window = from..<max(to, window.upperBound)
        }
        if file.pointer.pointee.largeFolios.isEmpty { return window }
        return extend(window, fault, file, tableEnd - region..<tableEnd)
    }

    @inline(never)
    private func extend(
        _ window: Range<UInt64>, _ fault: Fault, _ file: FileRef, _ table: Range<UInt64>
    ) -> Range<UInt64> {
        let vma = fault.vma
        let reach = table.clamped(to: vma.start..<vma.end)
        let pages = file.foliosTouching(
            vma.pageOffset(of: window.lowerBound)..<vma.pageOffset(of: window.upperBound),
            within: vma.pageOffset(of: reach.lowerBound)..<vma.pageOffset(of: reach.upperBound))
        let start = vma.start + (pages.lowerBound - vma.pageOffset) << pageShift
        return start..<start + UInt64(pages.count) << pageShift
    }

    /// Drops the reference that keeps a page which a fault has brought in, if there is one.
    @inline(__always)
    private func letGo(_ held: inout PFN, on cpu: CPU) {
        if held != .none { counts.batches.release(held, on: cpu) }
        held = .none
    }

    private enum Arrival {
        case found
        case pastEnd
        case noMemory
        case refused
        case failed
    }

    /// Brings the faulting page into the cache, and of a file on a disk the whole window of a read;
    /// `held` becomes a reference to the page.
    @inline(never)
    private func bringIn(
        _ fault: Fault, _ file: FileRef, holding held: inout PFN
    ) -> Arrival {
        letGo(&held, on: fault.cpu)
        let target = fault.vma.pageOffset(of: fault.page)
        switch cache.ensure(file, target, retains: true, on: fault.cpu) {
        case .pastEnd: return .pastEnd
        case .noMemory: return .noMemory
        case .refused: return .refused
        case .failed: return .failed
        case .found(let pfn, let broughtIn):
            held = pfn
            if broughtIn {
                fault.cpu.count(.pgmajfault)
                fault.slot.majorFaults.add(1)
                if file.kind == .disk { fault.cpu.count(.pgpgin, Int(pageSize >> 10)) }
                fault.cpu.state.pointee.clock += clock.deviceRead
            }
        }
        guard file.kind == .disk else { return .found }
        let window = window(of: fault, file)
        let first = fault.vma.pageOffset(of: window.lowerBound)
        let last = fault.vma.pageOffset(of: window.upperBound - pageSize)
        for offset in first...last where offset != target {
            // Neighbours are a gift: at the end of the file or of memory the window just ends.
            guard case .found(_, let broughtIn) = cache.ensure(file, offset, on: fault.cpu) else {
                break
            }
            if broughtIn { fault.cpu.count(.pgpgin, Int(pageSize >> 10)) }
        }
        return .found
    }

    /// The first write through a private mapping: a copy of the file's page.
    @inline(never)
    private func copyFilePage(
        _ fault: Fault, _ table: TableRef, _ file: FileRef
    ) -> FaultOutcome {
        let cpu = fault.cpu
        groups.prepare(fault.vma, in: fault.space, on: cpu)
        let offset = fault.vma.pageOffset(of: fault.page)
        let copy = supply.take(.movable, on: cpu)
        guard copy != .none else { return outOfMemory(fault) }
        let index = TableLevel.pte.index(of: fault.address)
        var held = PFN.none
        defer { letGo(&held, on: cpu) }
        while true {
            table.lock(on: cpu)
            if !table[index].isEmpty, !Mutation.copiesFileWithoutLooking.isActive {
                table.unlock(on: cpu)
                // RACE: another CPU mapped the page; the access is tried again.
                allocator.free(copy, on: cpu)
                return .resolved
            }
            file.cacheLock.lock(.pageCache, on: cpu)
            let source = offset < file.pageCount ? file.index.lookup(offset) : .none
            if source != .none {
                // Under the cache's lock the source cannot be taken away or reused.
                if keepsBytes { memory.copy(source, to: copy) }
                file.cacheLock.unlock(.pageCache, on: cpu)
                install(copy, frames[copy], fault, table, index)
                table.frame.liveEntries += 1
                table.unlock(on: cpu)
                fault.slot.resident(.anonymous).add(1)
                cpu.count(.faultFilePrivate)
                return .resolved
            }
            file.cacheLock.unlock(.pageCache, on: cpu)
            table.unlock(on: cpu)
            switch bringIn(fault, file, holding: &held) {
            case .found: continue
            case .pastEnd, .failed:
                allocator.free(copy, on: cpu)
                return .signal(.busPastEnd)
            case .noMemory:
                allocator.free(copy, on: cpu)
                return outOfMemory(fault)
            case .refused:
                allocator.free(copy, on: cpu)
                return .signal(.busNoMemory)
            }
        }
    }
}

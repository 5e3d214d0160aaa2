// SPDX-License-Identifier: Apache-2.0
//
// From a frame to the page-table entries that map it.
//
// STATE   None of its own: a walk goes through the interval tree of the frame's owner, a file or an
//         anonymous group, and looks at the one entry that each VMA in it has for the page.
// LOCKS   fileMappings or anonymousGroup over the walk, which keeps VMAs and their tables; each
//         table's lock while its entry is looked at.
// RACE    An entry may be elsewhere for a moment (fork, mremap), or come after the walk has passed.
//         The frame's map count says in the end whether all were found.
// SEE     Reclaim, which asks who has used a frame, and takes it away from everybody.

/// What a frame belongs to, kept alive by a reference.
enum FrameOwner: Equatable {
    case group(AnonGroup)
    case file(FileRef)

    /// Its number, as frames name it.
    @inline(__always)
    var number: UInt32 {
        switch self {
        case .group(let group): group.number
        case .file(let file): file.number
        }
    }
}

/// Walks from frames to the entries that map them.
struct ReverseMap {
    let frames: FrameTable
    let tables: PageTables
    let groups: AnonGroups
    let cache: PageCache
    let counts: MapCounts

    /// One entry that maps a frame, under its table's lock.
    struct Place {
        let vma: VMARef
        let space: AddressSpace
        let table: TableRef
        let index: Int
        let address: UInt64

        var entry: Entry { table[index] }
    }

    // MARK: Owners

    /// Takes a reference to what a frame belongs to.
    ///
    /// - Returns: Nil if that has gone, or is about to: nothing can be found through it then.
    func retainOwner(of frame: FrameRef, on cpu: CPU) -> FrameOwner? {
        if frame.has(.anonymous) {
            return groups.retainOwner(of: frame, on: cpu).map(FrameOwner.group)
        }
        return cache.retainOwner(of: frame, on: cpu).map(FrameOwner.file)
    }

    /// Drops the reference.
    func release(_ owner: FrameOwner, on cpu: CPU) {
        switch owner {
        case .group(let group): groups.release(group, on: cpu)
        case .file(let file): cache.release(file, on: cpu)
        }
    }

    // MARK: Walking

    /// Visits every entry that maps a frame until `body` answers `false`.
    ///
    /// `body` runs under the entry's table's lock.
    @inline(__always)
    func forEachPlace(
        of pfn: PFN, _ frame: FrameRef, owner: FrameOwner, on cpu: CPU,
        _ body: (Place) -> Bool
    ) {
        cpu.count(.reverseMapWalk)
        let offset = frame.pageOffset
        switch owner {
        case .group(let group):
            group.lock.lock(.anonymousGroup, on: cpu)
            defer { group.lock.unlock(.anonymousGroup, on: cpu) }
            var node = group.links.first(overlapping: offset, offset)
            while let current = node {
                // SAFETY: a group's tree holds the nodes of links, which name their link as owner.
                let link = current.pointee.owner.unsafelyUnwrapped
                    .assumingMemoryBound(to: GroupLink.self)
                guard visit(pfn, offset, link.pointee.vma, on: cpu, body) else { return }
                node = group.links.next(after: current, overlapping: offset, offset)
            }
        case .file(let file):
            file.mappingsLock.lock(.fileMappings, on: cpu)
            defer { file.mappingsLock.unlock(.fileMappings, on: cpu) }
            var node = file.mappings.first(overlapping: offset, offset)
            while let current = node {
                // SAFETY: a file's tree holds the nodes of VMAs, which name their VMA as owner.
                let vma = VMARef(
                    pointer: current.pointee.owner.unsafelyUnwrapped
                        .assumingMemoryBound(to: VMAState.self))
                guard visit(pfn, offset, vma, on: cpu, body) else { return }
                node = file.mappings.next(after: current, overlapping: offset, offset)
            }
        }
    }

    /// Looks at a VMA's entry for a page; `false` ends the walk.
    @inline(__always)
    private func visit(
        _ pfn: PFN, _ offset: UInt64, _ vma: VMARef, on cpu: CPU, _ body: (Place) -> Bool
    ) -> Bool {
        cpu.count(.reverseMapStep)
        let address = vma.start + (offset - vma.pageOffset) << pageShift
        let space = vma.addressSpace
        guard let table = tables.find(root: space.root, address) else { return true }
        let index = TableLevel.pte.index(of: address)
        // Most VMAs of a large tree do not map the page: they are passed over without a lock.
        guard table[index].maps(pfn) else { return true }
        table.lock(on: cpu)
        defer { table.unlock(on: cpu) }
        // RACE: unmapped meanwhile, or replaced.
        guard table[index].maps(pfn) else { return true }
        return body(Place(vma: vma, space: space, table: table, index: index, address: address))
    }
}

extension Entry {
    /// Whether it maps this frame.
    @inline(__always)
    func maps(_ pfn: PFN) -> Bool { isMapped && frame == pfn }
}

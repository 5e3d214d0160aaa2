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
    /// What it works with; constant.
    struct Parts {
        let frames: FrameTable
        let tables: PageTables
        let groups: AnonGroups
        let cache: PageCache
        let counts: MapCounts
    }

    private let parts: UnsafeMutablePointer<Parts>

    init(_ parts: Parts) { self.parts = .init(holding: parts) }

    /// Gives the list of parts back; the parts themselves are the machine's.
    func deallocate() { parts.deallocate() }

    var frames: FrameTable { parts.pointee.frames }
    var tables: PageTables { parts.pointee.tables }
    var groups: AnonGroups { parts.pointee.groups }
    var cache: PageCache { parts.pointee.cache }
    var counts: MapCounts { parts.pointee.counts }

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
        lockMappings(of: owner, on: cpu)
        defer { unlockMappings(of: owner, on: cpu) }
        forEachVMA(of: owner, at: offset) { vma in
            cpu.count(.reverseMapStep)
            guard let place = place(of: pfn, offset, in: vma) else { return true }
            place.table.lock(on: cpu)
            defer { place.table.unlock(on: cpu) }
            // RACE: unmapped meanwhile, or replaced.
            guard place.entry.maps(pfn) else { return true }
            return body(place)
        }
    }

    /// Takes the lock that keeps an owner's VMAs and their tables.
    @inline(__always)
    func lockMappings(of owner: FrameOwner, on cpu: CPU) {
        switch owner {
        case .group(let group): group.lock.lock(.anonymousGroup, on: cpu)
        case .file(let file): file.lockMappings(on: cpu)
        }
    }

    /// Gives it back.
    @inline(__always)
    func unlockMappings(of owner: FrameOwner, on cpu: CPU) {
        switch owner {
        case .group(let group): group.lock.unlock(.anonymousGroup, on: cpu)
        case .file(let file): file.unlockMappings(on: cpu)
        }
    }

    /// Visits every VMA that covers an owner's page until `body` answers `false`.
    ///
    /// Under the owner's lock.
    @inline(__always)
    func forEachVMA(
        of owner: FrameOwner, at offset: UInt64, _ body: (VMARef) -> Bool
    ) {
        switch owner {
        case .group(let group):
            var node = group.links.first(overlapping: offset, offset)
            while let current = node {
                // SAFETY: a group's tree holds the nodes of links, which name their link as owner.
                let link = current.pointee.owner.unsafelyUnwrapped
                    .assumingMemoryBound(to: GroupLink.self)
                guard body(link.pointee.vma) else { return }
                node = group.links.next(after: current, overlapping: offset, offset)
            }
        case .file(let file):
            var node = file.mappings.first(overlapping: offset, offset)
            while let current = node {
                // SAFETY: a file's tree holds the nodes of VMAs, which name their VMA as owner.
                let vma = VMARef(
                    pointer: current.pointee.owner.unsafelyUnwrapped
                        .assumingMemoryBound(to: VMAState.self))
                guard body(vma) else { return }
                node = file.mappings.next(after: current, overlapping: offset, offset)
            }
        }
    }

    /// Where a VMA has a page of its owner.
    @inline(__always)
    static func address(of offset: UInt64, in vma: VMARef) -> UInt64 {
        vma.start + (offset - vma.pageOffset) << pageShift
    }

    /// The entry of a VMA for a page of its owner; nil if there is no table for it.
    ///
    /// Under the owner's lock.
    @inline(__always)
    func word(of offset: UInt64, in vma: VMARef) -> AtomicField64? {
        let address = ReverseMap.address(of: offset, in: vma)
        return tables.find(root: vma.addressSpace.root, address)?
            .word(TableLevel.pte.index(of: address))
    }

    /// The entry of a VMA that maps a frame, as far as can be seen without its table's lock.
    ///
    /// Under the owner's lock.
    @inline(__always)
    func place(of pfn: PFN, _ offset: UInt64, in vma: VMARef) -> Place? {
        let address = ReverseMap.address(of: offset, in: vma)
        let space = vma.addressSpace
        guard let table = tables.find(root: space.root, address) else { return nil }
        let index = TableLevel.pte.index(of: address)
        // Most VMAs of a large tree do not map the page: they are passed over without a lock.
        guard table[index].maps(pfn) else { return nil }
        return Place(vma: vma, space: space, table: table, index: index, address: address)
    }
}

extension Entry {
    /// Whether it maps this frame.
    @inline(__always)
    func maps(_ pfn: PFN) -> Bool { isMapped && frame == pfn }
}

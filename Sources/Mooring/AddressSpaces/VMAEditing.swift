// SPDX-License-Identifier: Apache-2.0
//
// The steps that calls on address spaces are made of: adding a VMA, removing, splitting, merging,
// changing the flags of a part. Each keeps the tree, the reverse maps and the counts together.
//
// LOCKS   The address space's lock, exclusive. Reverse maps' locks are taken here.

extension AddressSpaces {
    /// What a VMA is to be.
    struct NewVMA {
        var start: UInt64
        var end: UInt64
        var flags: VMAFlags
        var pageOffset: UInt64
        var file: FileRef?
        var attributes = VMAAttributes()
        /// Whether it joins no neighbour now.
        var isApart = false
        /// The VMA whose pages it is to take over, and with them its groups.
        var source: VMARef?
        /// Whether it may become a part of its source, which stays.
        var mayJoinSource = false
    }

    /// Adds a VMA, merged with its neighbours where they are alike.
    ///
    /// It merges with its own source only if that is not about to go.
    ///
    /// - Returns: The VMA that now covers the range.
    @discardableResult
    func addVMA(_ new: NewVMA, to space: AddressSpace, on cpu: CPU) -> VMARef {
        account(new.flags, pages: Int((new.end - new.start) >> pageShift), in: space)
        let next = space.tree.find(new.start)
        let previous = next.map(\.previous) ?? space.tree.last
        if let previous, previous.end == new.start, canExtend(previous, over: new, isAbove: false) {
            adoptGroups(of: new.source, previous, on: cpu)
            previous.flags.formUnion(new.flags)
            if let next, next.start == new.end, canExtend(next, over: new, isAbove: true),
                canShareGroup(previous, next), next.mayVanish
            {
                takeOver(next, by: previous, start: previous.start, end: next.end, space, on: cpu)
            } else {
                rebound(previous, in: space, start: previous.start, end: new.end, on: cpu)
            }
            return previous
        }
        if let next, next.start == new.end, canExtend(next, over: new, isAbove: true) {
            adoptGroups(of: new.source, next, on: cpu)
            next.flags.formUnion(new.flags)
            rebound(next, in: space, start: new.start, end: next.end, on: cpu)
            return next
        }
        let vma = makeVMA(new, in: space, on: cpu)
        space.tree.insert(vma)
        linkFile(vma, on: cpu)
        if let source = new.source { groups.clone(from: source, to: vma, on: cpu) }
        space.noteTablesChanged()
        return vma
    }

    /// Links a VMA without a group to those of a VMA whose pages it takes over.
    @inline(__always)
    private func adoptGroups(of source: VMARef?, _ vma: VMARef, on cpu: CPU) {
        if let source, vma.anonGroup == nil, source.anonGroup != nil {
            groups.clone(from: source, to: vma, on: cpu)
        }
    }

    /// A VMA that is in no tree yet.
    ///
    /// Takes a reference to its file.
    private func makeVMA(_ new: NewVMA, in space: AddressSpace, on cpu: CPU) -> VMARef {
        let (number, object) = vmas.allocate(on: cpu)
        object.initialize(
            to: VMAState(
                start: new.start, end: new.end, flags: new.flags, pageOffset: new.pageOffset,
                file: new.file.map { UnsafeMutableRawPointer($0.pointer) }, rest: vmaRests[number]))
        object.pointee.rest.initialize(
            to: VMARest(
                addressSpace: space, number: number, attributes: new.attributes))
        new.file?.references.add(1)
        return VMARef(pointer: object)
    }

    /// Takes a VMA without pages out of everything and frees it.
    func removeVMA(_ vma: VMARef, from space: AddressSpace, on cpu: CPU) {
        account(vma.flags, pages: -vma.pageCount, in: space)
        dropVMA(vma, from: space, on: cpu)
    }

    /// Removes a VMA that nobody needs.
    private func dropVMA(_ vma: VMARef, from space: AddressSpace, on cpu: CPU) {
        space.tree.remove(vma)
        unlinkAndFree(vma, from: space, on: cpu)
    }

    /// Takes a VMA that is in no tree any more out of the reverse maps and frees it.
    private func unlinkAndFree(_ vma: VMARef, from space: AddressSpace, on cpu: CPU) {
        let file = vma.file
        if let file {
            file.lockMappings(on: cpu)
            file.mappings.remove(vma.fileNode)
            file.unlockMappings(on: cpu)
        }
        groups.unlink(vma, on: cpu)
        vmas.free(vma.rest.pointee.number, on: cpu)
        space.noteTablesChanged()
        if let file { cache.release(file, on: cpu) }
    }

    /// Adds a copy of a forked parent's VMA, merged with nothing.
    func addCopy(
        of original: VMARef, flags: VMAFlags, to child: AddressSpace, on cpu: CPU
    ) -> VMARef {
        let copy = makeVMA(
            NewVMA(
                start: original.start, end: original.end, flags: flags,
                pageOffset: original.pageOffset, file: original.file,
                attributes: original.attributes),
            in: child, on: cpu)
        child.tree.insert(copy)
        if !Mutation.linksCopyLast.isActive { linkFile(copy, on: cpu) }
        account(flags, pages: copy.pageCount, in: child)
        return copy
    }

    /// Puts a VMA among the mappings of its file.
    func linkFile(_ vma: VMARef, on cpu: CPU) {
        guard let file = vma.file else { return }
        file.lockMappings(on: cpu)
        vma.fileNode.pointee = IntervalNode(
            covering: vma, owner: UnsafeMutableRawPointer(vma.pointer))
        file.mappings.insert(vma.fileNode)
        file.unlockMappings(on: cpu)
    }

    /// Changes a VMA's bounds everywhere.
    ///
    /// Its page offset follows its start.
    func rebound(
        _ vma: VMARef, in space: AddressSpace, start: UInt64, end: UInt64, on cpu: CPU
    ) {
        let offset =
            start >= vma.start
            ? vma.pageOffset &+ (start - vma.start) >> pageShift
            : vma.pageOffset &- (vma.start - start) >> pageShift
        let change = {
            space.tree.setBounds(of: vma, start: start, end: end)
            vma.pageOffset = offset
        }
        if let file = vma.file {
            if Mutation.reboundsUnseen.isActive { groups.rebound(vma, on: cpu, change) }
            file.lockMappings(on: cpu)
            file.mappings.remove(vma.fileNode)
            if !Mutation.reboundsUnseen.isActive { groups.rebound(vma, on: cpu, change) }
            vma.fileNode.pointee = IntervalNode(
                covering: vma, owner: UnsafeMutableRawPointer(vma.pointer))
            file.mappings.insert(vma.fileNode)
            file.unlockMappings(on: cpu)
        } else {
            groups.rebound(vma, on: cpu, change)
        }
        space.noteTablesChanged()
    }

    // MARK: Splitting

    /// Cuts a VMA in two at an address inside it.
    ///
    /// - Returns: The upper part.
    /// - Throws: `ENOMEM` when the address space has as many VMAs as it may.
    @discardableResult
    func split(
        _ vma: VMARef, at address: UInt64, in space: AddressSpace, on cpu: CPU
    ) throws(Errno) -> VMARef {
        guard space.tree.count < limits.mapCount else { throw .ENOMEM }
        let upper = makeVMA(
            NewVMA(
                start: address, end: vma.end, flags: vma.flags,
                pageOffset: vma.pageOffset(of: address), file: vma.file,
                attributes: vma.attributes),
            in: space, on: cpu)
        // ORDER: the upper part joins the reverse maps before the lower one shrinks, so that a
        // walk finds each page in one of them at least.
        let shrinksFirst = Mutation.shrinksBeforeLinking.isActive
        if shrinksFirst { rebound(vma, in: space, start: vma.start, end: address, on: cpu) }
        groups.clone(from: vma, to: upper, on: cpu)
        linkFile(upper, on: cpu)
        if !shrinksFirst { rebound(vma, in: space, start: vma.start, end: address, on: cpu) }
        space.tree.insert(upper)
        return upper
    }

    // MARK: Merging

    /// Whether two adjacent VMAs are alike in all but their groups.
    private func isAlike(_ low: VMARef, _ high: VMARef) -> Bool {
        low.flags.isAlike(high.flags) && low.file == high.file
            && low.attributes == high.attributes
            && low.flags.isDisjoint(with: .special)
            && low.pageOffset &+ UInt64(low.pageCount) == high.pageOffset
    }

    /// Whether the pages of two VMAs may belong to one: they have the same group, or one has none
    /// and the other no pages that it inherited in a fork, which link it to several groups.
    private func canShareGroup(_ low: VMARef, _ high: VMARef) -> Bool {
        if let one = low.anonGroup, let other = high.anonGroup { return one == other }
        return low.hasAtMostOneLink && high.hasAtMostOneLink
    }

    private func isAlike(_ vma: VMARef, to new: NewVMA, isAbove: Bool) -> Bool {
        vma.flags.isAlike(new.flags) && vma.file == new.file
            && vma.attributes == new.attributes
            && vma.flags.isDisjoint(with: .special)
            && (isAbove
                ? new.pageOffset &+ (new.end - new.start) >> pageShift == vma.pageOffset
                : vma.pageOffset &+ UInt64(vma.pageCount) == new.pageOffset)
    }

    /// Whether a neighbour may reach over the place of a new VMA, its groups allowing.
    private func canExtend(_ vma: VMARef, over new: NewVMA, isAbove: Bool) -> Bool {
        guard !new.isApart, isAlike(vma, to: new, isAbove: isAbove) else { return false }
        guard let source = new.source else { return vma.hasAtMostOneLink }
        return (vma != source || new.mayJoinSource) && canShareGroup(vma, source)
    }

    /// Lets a VMA take over a neighbour that is alike, and reach over `start..<end`.
    private func takeOver(
        _ gone: VMARef, by vma: VMARef, start: UInt64, end: UInt64, _ space: AddressSpace,
        on cpu: CPU
    ) {
        // ORDER: the survivor reaches over the other's pages in the reverse maps before the other
        // leaves them, so that a walk finds each page in one of them at least.
        if vma.anonGroup == nil, gone.anonGroup != nil {
            groups.clone(from: gone, to: vma, on: cpu)
        }
        vma.flags.formUnion(gone.flags)
        space.tree.remove(gone)
        let leavesFirst = Mutation.leavesBeforeReaching.isActive
        if leavesFirst { unlinkAndFree(gone, from: space, on: cpu) }
        rebound(vma, in: space, start: start, end: end, on: cpu)
        if !leavesFirst { unlinkAndFree(gone, from: space, on: cpu) }
    }

    /// Merges a VMA that has grown up to the one above it with that one if they are alike.
    ///
    /// LINUX: one without a group joins, however many groups the pages of the grown one are of.
    func mergeGrown(_ vma: VMARef, in space: AddressSpace, on cpu: CPU) {
        guard let next = vma.next, next.start == vma.end, next.mayVanish, isAlike(vma, next),
            next.anonGroup == nil || canShareGroup(vma, next)
        else { return }
        takeOver(next, by: vma, start: vma.start, end: next.end, space, on: cpu)
    }

    /// Merges a VMA with the one above it if they are alike; returns what covers its range.
    private func mergeWithNext(_ vma: VMARef, in space: AddressSpace, on cpu: CPU) -> VMARef {
        guard let next = vma.next, next.start == vma.end, next.mayVanish, isAlike(vma, next),
            canShareGroup(vma, next)
        else { return vma }
        takeOver(next, by: vma, start: vma.start, end: next.end, space, on: cpu)
        return vma
    }

    /// Merges a VMA with both neighbours where they are alike; returns what covers its range.
    @discardableResult
    func mergeWithNeighbours(_ vma: VMARef, in space: AddressSpace, on cpu: CPU) -> VMARef {
        guard let previous = vma.previous, previous.end == vma.start, vma.mayVanish,
            isAlike(previous, vma), canShareGroup(previous, vma)
        else { return mergeWithNext(vma, in: space, on: cpu) }
        if let next = vma.next, next.start == vma.end, isAlike(vma, next),
            canShareGroup(vma, next), canShareGroup(previous, next)
        {
            // All three become one: the middle goes first, for one change of bounds in all.
            if previous.anonGroup == nil, vma.anonGroup != nil {
                groups.clone(from: vma, to: previous, on: cpu)
            }
            previous.flags.formUnion(vma.flags)
            space.tree.remove(vma)
            takeOver(next, by: previous, start: previous.start, end: next.end, space, on: cpu)
            unlinkAndFree(vma, from: space, on: cpu)
        } else {
            takeOver(vma, by: previous, start: previous.start, end: vma.end, space, on: cpu)
        }
        return previous
    }

    // MARK: Changing a part

    /// Gives `start..<end` of a VMA other flags, splitting and merging as needed.
    ///
    /// A part at an end goes over to a neighbour that is alike already: no VMA is made or freed,
    /// and none is needed, however many there are.
    ///
    /// - Returns: The VMA that covers the range now.
    /// - Throws: `ENOMEM` when a split would make too many VMAs; nothing is changed then.
    @discardableResult
    func setFlags(
        _ flags: VMAFlags, of vma: VMARef, from start: UInt64, to end: UInt64,
        in space: AddressSpace, on cpu: CPU
    ) throws(Errno) -> VMARef {
        guard flags != vma.flags else { return vma }
        let pages = Int((end - start) >> pageShift)
        if let taker = taker(
            of: vma, from: start, to: end, for: flags, vma.attributes, in: space)
        {
            recount(from: vma.flags, to: flags, pages: pages, in: space)
            moveBorder(of: vma, from: start, to: end, growing: taker, in: space, on: cpu)
            return taker
        }
        let target = try cutOut(vma, from: start, to: end, in: space, on: cpu)
        recount(from: target.flags, to: flags, pages: pages, in: space)
        let changed = target.flags.symmetricDifference(flags)
        target.flags = flags
        let merged = mergeWithNeighbours(target, in: space, on: cpu)
        // Where it went into another, that one's leaf knows the rights already.
        if merged == target, !changed.isDisjoint(with: .rights) {
            space.tree.refresh(target)
            space.noteTablesChanged()
        }
        return merged
    }

    /// Gives `start..<end` of a VMA another policy, splitting and merging as needed.
    ///
    /// - Throws: `ENOMEM` when a split would make too many VMAs; nothing is changed then.
    func setPolicy(
        _ policy: NodePolicy, of vma: VMARef, from start: UInt64, to end: UInt64,
        in space: AddressSpace, on cpu: CPU
    ) throws(Errno) -> VMARef {
        guard policy != vma.attributes.policy else { return vma }
        var attributes = vma.attributes
        attributes.policy = policy
        if let taker = taker(of: vma, from: start, to: end, for: vma.flags, attributes, in: space) {
            moveBorder(of: vma, from: start, to: end, growing: taker, in: space, on: cpu)
            return taker
        }
        let target = try cutOut(vma, from: start, to: end, in: space, on: cpu)
        target.attributes = attributes
        return mergeWithNeighbours(target, in: space, on: cpu)
    }

    /// Makes `start..<end` of a VMA a VMA of its own.
    ///
    /// - Throws: `ENOMEM` when that would make too many VMAs; nothing is changed then.
    private func cutOut(
        _ vma: VMARef, from start: UInt64, to end: UInt64, in space: AddressSpace, on cpu: CPU
    ) throws(Errno) -> VMARef {
        var target = vma
        if start > target.start {
            target = try split(target, at: start, in: space, on: cpu)
        }
        if end < target.end {
            do {
                try split(target, at: end, in: space, on: cpu)
            } catch {
                mergeWithNeighbours(target, in: space, on: cpu)
                throw error
            }
        }
        return target
    }

    /// Counts pages whose flags change.
    @inline(__always)
    private func recount(
        from old: VMAFlags, to new: VMAFlags, pages: Int, in space: AddressSpace
    ) {
        account(old, pages: -pages, in: space)
        account(new, pages: pages, in: space)
    }

    /// The neighbour that may take over a part at an end of `vma`, which is to have these flags and
    /// attributes, if there is one.
    @inline(__always)
    private func taker(
        of vma: VMARef, from start: UInt64, to end: UInt64, for flags: VMAFlags,
        _ attributes: VMAAttributes, in space: AddressSpace
    ) -> VMARef? {
        if start == vma.start, end < vma.end, let low = vma.previous, low.end == start,
            canTake(over: vma, low, flags, attributes, isAbove: false)
        {
            return low
        }
        if end == vma.end, start > vma.start, let high = vma.next, high.start == end,
            canTake(over: vma, high, flags, attributes, isAbove: true)
        {
            return high
        }
        return nil
    }

    private func canTake(
        over vma: VMARef, _ neighbour: VMARef, _ flags: VMAFlags, _ attributes: VMAAttributes,
        isAbove: Bool
    ) -> Bool {
        let low = isAbove ? vma : neighbour
        let high = isAbove ? neighbour : vma
        return neighbour.flags.isAlike(flags) && low.file == high.file
            && neighbour.attributes == attributes
            && flags.isDisjoint(with: .special)
            && low.pageOffset &+ UInt64(low.pageCount) == high.pageOffset
            && canShareGroup(low, high)
    }

    /// Lets a neighbour take over a part at an end of a VMA, in the tree and in the reverse maps at
    /// once.
    private func moveBorder(
        of giver: VMARef, from start: UInt64, to end: UInt64, growing taker: VMARef,
        in space: AddressSpace, on cpu: CPU
    ) {
        let isAbove = taker.start == end
        let low = isAbove ? giver : taker
        let high = isAbove ? taker : giver
        let border = isAbove ? start : end
        if taker.anonGroup == nil, giver.anonGroup != nil {
            groups.clone(from: giver, to: taker, on: cpu)
        }
        taker.flags.formUnion(giver.flags.intersection(.guarded))
        let offset = low.pageOffset &+ (border - low.start) >> pageShift
        let change = {
            space.tree.moveBorder(below: high, to: border)
            high.pageOffset = offset
        }
        if let file = low.file {
            file.lockMappings(on: cpu)
            file.mappings.remove(low.fileNode)
            file.mappings.remove(high.fileNode)
            groups.rebound(low, and: high, on: cpu, change)
            insertFileNode(of: low, file)
            insertFileNode(of: high, file)
            file.unlockMappings(on: cpu)
        } else {
            groups.rebound(low, and: high, on: cpu, change)
        }
        space.noteTablesChanged()
    }

    @inline(__always)
    private func insertFileNode(of vma: VMARef, _ file: FileRef) {
        vma.fileNode.pointee = IntervalNode(
            covering: vma, owner: UnsafeMutableRawPointer(vma.pointer))
        file.mappings.insert(vma.fileNode)
    }

    // MARK: Counting

    /// Adds a VMA's pages to what its address space counts, or takes them away.
    @inline(__always)
    func account(_ flags: VMAFlags, pages: Int, in space: AddressSpace) {
        let state = space.pointer
        state.pointee.totalPages += pages
        // LINUX: mlock counts the pages of an area in 32 bits, so that VmLck is wrong by multiples of
        // 16 TiB for areas of 8 TiB and more. Here it is what is locked.
        if flags.contains(.locked) { state.pointee.lockedPages += pages }
        if flags.contains(.growsDown) {
            state.pointee.stackPages += pages
        } else if flags.contains(.write), !flags.contains(.shared) {
            state.pointee.dataPages += pages
        } else if flags.contains(.execute), !flags.contains(.write) {
            state.pointee.executablePages += pages
        }
        if pages > 0 {
            state.pointee.peakTotal = max(state.pointee.peakTotal, state.pointee.totalPages)
        }
    }
}

extension VMARef {
    /// Whether a neighbour may take its place.
    ///
    /// LINUX: a mapping that shmat made is counted by its segment, and only unmapping ends it; a
    /// part of it may go over to a neighbour, all of it may not.
    fileprivate var mayVanish: Bool { file?.isSegment != true }
}

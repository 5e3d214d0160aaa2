// SPDX-License-Identifier: Apache-2.0
//
// Anonymous groups (anon_vma): which VMAs may map the pages that a VMA and its descendants made.
//
// STATE      A VMA gets a group at its first anonymous fault. A forked child's VMA is linked to
//            every group its parent's is linked to, since it shares those pages, and gets a group
//            of its own for pages it makes itself. A link stands in the group's interval tree
//            (by page offset) and in its VMA's list.
// INVARIANT  A page owned by group G is mapped only by VMAs linked to G, at the page offset that
//            the frame records.
// LOCKS      anonymousGroup: one word for a whole fork tree, its root's. Reference count: under
//            that lock for links, atomic for other holders. A group lives while links or
//            references are left.

/// The flat state behind ``AnonGroup``.
struct AnonGroupState {
    var lock: UInt32 = 0
    var number: UInt32
    /// Links, children and other holders.
    var references: UInt64
    var root: UnsafeMutablePointer<AnonGroupState>?
    var parent: UnsafeMutablePointer<AnonGroupState>?
    var links: IntervalTreeState
}

/// One VMA's membership of one group.
struct GroupLink {
    var node: IntervalNode
    var number: UInt32
    var vma: VMARef
    var group: AnonGroup
    var nextOfVMA: UnsafeMutablePointer<GroupLink>?
}

/// An anonymous group.
struct AnonGroup: Equatable {
    let pointer: UnsafeMutablePointer<AnonGroupState>

    @inline(__always)
    var number: UInt32 { pointer.pointee.number }

    /// The VMAs linked to it.
    @inline(__always)
    var links: IntervalTree {
        IntervalTree(
            at: (UnsafeMutableRawPointer(pointer)
                + MemoryLayout<AnonGroupState>.offset(of: \.links).unsafelyUnwrapped)
                .assumingMemoryBound(to: IntervalTreeState.self))
    }

    /// The group that every VMA of its fork tree is linked to.
    @inline(__always)
    var root: AnonGroup { AnonGroup(pointer: pointer.pointee.root ?? pointer) }

    /// The lock of its fork tree.
    @inline(__always)
    var lock: SpinLock {
        SpinLock(at: UnsafeMutableRawPointer(pointer.pointee.root ?? pointer))
    }

    @inline(__always)
    fileprivate var references: AtomicField64 {
        AtomicField64(at: UnsafeMutableRawPointer(pointer) + 8)
    }
}

extension VMARef {
    /// The group that pages made in this VMA belong to.
    @inline(__always)
    var anonGroup: AnonGroup? {
        get {
            // ORDER: acquiring. A neighbour's first fault may be publishing it at this moment, and
            // the group and the VMA's links have to be seen as they were before that.
            UnsafeMutableRawPointer(bitPattern: UInt(anonGroupWord.loadAcquiring())).map {
                AnonGroup(pointer: $0.assumingMemoryBound(to: AnonGroupState.self))
            }
        }
        nonmutating set {
            anonGroupWord.storeReleasing(
                newValue.map { UInt64(UInt(bitPattern: $0.pointer)) } ?? 0)
        }
    }

    @inline(__always)
    private var anonGroupWord: AtomicField64 {
        AtomicField64(
            at: UnsafeMutableRawPointer(pointer)
                + MemoryLayout<VMAState>.offset(of: \.anonGroup).unsafelyUnwrapped)
    }

    /// The first of its links to groups.
    @inline(__always)
    var firstLink: UnsafeMutablePointer<GroupLink>? {
        get { pointer.pointee.groupLinks?.assumingMemoryBound(to: GroupLink.self) }
        nonmutating set {
            pointer.pointee.groupLinks = newValue.map { UnsafeMutableRawPointer($0) }
        }
    }

    /// Whether it is linked to no group but, at most, its own.
    var hasAtMostOneLink: Bool { firstLink?.pointee.nextOfVMA == nil }
}

/// Makes groups and links VMAs to them.
struct AnonGroups {
    let groups: Slab<AnonGroupState>
    let links: Slab<GroupLink>

    init() {
        groups = Slab(capacity: 1 << 28)
        links = Slab(capacity: 1 << 28)
    }

    /// Gives the memory back.
    func deallocate() {
        groups.deallocate()
        links.deallocate()
    }

    /// The group with this number: a frame's owner.
    @inline(__always)
    func group(_ number: UInt32) -> AnonGroup { AnonGroup(pointer: groups[number]) }

    private func makeGroup(parent: AnonGroup?, on cpu: CPU) -> AnonGroup {
        let (number, object) = groups.allocate(on: cpu)
        object.initialize(
            to: AnonGroupState(
                number: number, references: 1,
                root: parent.map { $0.pointer.pointee.root ?? $0.pointer }, parent: parent?.pointer,
                links: IntervalTreeState()))
        let group = AnonGroup(pointer: object)
        if let root = object.pointee.root { AnonGroup(pointer: root).references.add(1) }
        return group
    }

    /// Takes a reference to the group that owns a frame; nil if nobody maps the frame any more.
    ///
    /// RACE: the last mapping may go at any moment, and the group with it. While a frame is mapped
    /// its VMA is linked, which keeps the group; a group is freed under the slab's lock. So a frame
    /// that is seen mapped under that lock has a group that is not freed yet, and one whose count
    /// is not 0 will not be.
    func retainOwner(of frame: FrameRef, on cpu: CPU) -> AnonGroup? {
        groups.whileNoneIsFreed(on: cpu) {
            // ORDER: acquiring. A fault sets the owner before it counts its mapping.
            let counts =
                Mutation.ownerIsUnordered.isActive
                ? frame.counts.load() : frame.counts.loadAcquiring()
            guard counts >> 32 > 0 else { return nil }
            let group = group(frame.ownerNumber)
            return group.references.addUnlessZero(1) ? group : nil
        }
    }

    /// Drops a reference; the last one frees the group, and may free its root.
    func release(_ group: AnonGroup, on cpu: CPU) {
        guard group.references.subtract(1) == 0 else { return }
        let root = group.pointer.pointee.root
        assert(group.links.isEmpty, "a group is freed while VMAs are linked to it")
        groups.free(group.number, on: cpu)
        if let root { release(AnonGroup(pointer: root), on: cpu) }
    }

    /// Links a VMA to a group.
    ///
    /// Under the group's lock.
    private func link(_ vma: VMARef, to group: AnonGroup, on cpu: CPU) {
        let (number, link) = links.allocate(on: cpu)
        link.initialize(
            to: GroupLink(
                node: IntervalNode(covering: vma, owner: link), number: number, vma: vma,
                group: group, nextOfVMA: vma.firstLink))
        vma.firstLink = link
        group.references.add(1)
        // SAFETY: the node is the link's first field.
        group.links.insert(UnsafeMutableRawPointer(link).assumingMemoryBound(to: IntervalNode.self))
    }

    /// Gives a VMA a group before its first anonymous page.
    ///
    /// The address space is held shared, so another CPU may do the same: the upper tables' lock
    /// decides. A neighbour's group is reused where the two could merge, so that they still can.
    @inline(__always)
    func prepare(_ vma: VMARef, in space: AddressSpace, on cpu: CPU) {
        if vma.anonGroup == nil { prepareSlowly(vma, in: space, on: cpu) }
    }

    @inline(never)
    private func prepareSlowly(_ vma: VMARef, in space: AddressSpace, on cpu: CPU) {
        // RACE: the neighbour cannot let go of its group while the address space is held shared.
        // One whose own first fault is under way has none yet, and the two stay apart.
        let neighbours = reusableGroup(for: vma)
        let group = neighbours ?? makeGroup(parent: nil, on: cpu)
        group.lock.lock(.anonymousGroup, on: cpu)
        space.upperLock.lock(.pageTable, on: cpu)
        if vma.anonGroup == nil {
            link(vma, to: group, on: cpu)
            // ORDER: linked before it is published, so that a frame with this owner is found and a
            // neighbour's first fault sees all links of a VMA with a group.
            vma.anonGroup = group
        }
        space.upperLock.unlock(.pageTable, on: cpu)
        group.lock.unlock(.anonymousGroup, on: cpu)
        // The link holds the group now, or another CPU's does and this one goes again.
        if neighbours == nil { release(group, on: cpu) }
    }

    /// The group of a neighbour that `vma` could merge with but for its group.
    private func reusableGroup(for vma: VMARef) -> AnonGroup? {
        for (other, isNext) in [(vma.next, true), (vma.previous, false)] {
            guard let other, let group = other.anonGroup, other.hasAtMostOneLink else { continue }
            let low = isNext ? vma : other
            let high = isNext ? other : vma
            // Rights do not matter: mprotect may make them alike later.
            if low.end == high.start, low.file == high.file, low.attributes == high.attributes,
                low.flags.symmetricDifference(high.flags).isSubset(of: .changedByProtection),
                low.pageOffset + UInt64(low.pageCount) == high.pageOffset
            {
                return group
            }
        }
        return nil
    }

    /// Links `copy` to every group that `original` is linked to: for a split VMA, or one that
    /// takes over a part of another.
    func clone(from original: VMARef, to copy: VMARef, on cpu: CPU) {
        var link = original.firstLink
        while let current = link {
            let group = current.pointee.group
            group.lock.lock(.anonymousGroup, on: cpu)
            self.link(copy, to: group, on: cpu)
            group.lock.unlock(.anonymousGroup, on: cpu)
            link = current.pointee.nextOfVMA
        }
        copy.anonGroup = original.anonGroup
    }

    /// Links a forked child's VMA to its parent's groups and gives it one of its own.
    func fork(from parent: VMARef, to child: VMARef, on cpu: CPU) {
        guard let parentGroup = parent.anonGroup else { return }
        clone(from: parent, to: child, on: cpu)
        let group = makeGroup(parent: parentGroup, on: cpu)
        group.lock.lock(.anonymousGroup, on: cpu)
        link(child, to: group, on: cpu)
        group.lock.unlock(.anonymousGroup, on: cpu)
        child.anonGroup = group
        release(group, on: cpu)
    }

    /// Takes a VMA out of all groups.
    func unlink(_ vma: VMARef, on cpu: CPU) {
        while let link = vma.firstLink {
            vma.firstLink = link.pointee.nextOfVMA
            let group = link.pointee.group
            group.lock.lock(.anonymousGroup, on: cpu)
            group.links.remove(
                UnsafeMutableRawPointer(link).assumingMemoryBound(to: IntervalNode.self))
            group.lock.unlock(.anonymousGroup, on: cpu)
            links.free(link.pointee.number, on: cpu)
            release(group, on: cpu)
        }
        vma.anonGroup = nil
    }

    /// Changes the bounds of a VMA in all its groups' trees, so that a walk finds it by its old
    /// bounds or by its new ones, never by none.
    @inline(__always)
    func rebound(_ vma: VMARef, on cpu: CPU, _ change: () -> Void) {
        guard let first = vma.firstLink else { return change() }
        let lock = first.pointee.group.lock
        // All groups of one VMA are of one fork tree and share its root's lock.
        lock.lock(.anonymousGroup, on: cpu)
        takeOut(vma)
        change()
        putIn(vma)
        lock.unlock(.anonymousGroup, on: cpu)
    }

    /// Changes the bounds of two VMAs that share a group or have none, under one hold of its lock.
    @inline(__always)
    func rebound(_ vma: VMARef, and other: VMARef, on cpu: CPU, _ change: () -> Void) {
        guard let first = vma.firstLink ?? other.firstLink else { return change() }
        let lock = first.pointee.group.lock
        lock.lock(.anonymousGroup, on: cpu)
        takeOut(vma)
        takeOut(other)
        change()
        putIn(vma)
        putIn(other)
        lock.unlock(.anonymousGroup, on: cpu)
    }

    @inline(__always)
    private func takeOut(_ vma: VMARef) {
        forEachLink(of: vma) { link in
            link.pointee.group.links.remove(
                UnsafeMutableRawPointer(link).assumingMemoryBound(to: IntervalNode.self))
        }
    }

    @inline(__always)
    private func putIn(_ vma: VMARef) {
        forEachLink(of: vma) { link in
            link.pointee.node = IntervalNode(covering: vma, owner: link)
            link.pointee.group.links.insert(
                UnsafeMutableRawPointer(link).assumingMemoryBound(to: IntervalNode.self))
        }
    }

    @inline(__always)
    private func forEachLink(of vma: VMARef, _ body: (UnsafeMutablePointer<GroupLink>) -> Void) {
        var link = vma.firstLink
        while let current = link {
            link = current.pointee.nextOfVMA
            body(current)
        }
    }
}

extension IntervalNode {
    /// The node of a VMA: the page offsets that it covers.
    init(covering vma: VMARef, owner: UnsafeMutableRawPointer) {
        self.init(
            first: vma.pageOffset, last: vma.pageOffset + UInt64(vma.pageCount) - 1,
            owner: owner)
    }
}

// SPDX-License-Identifier: Apache-2.0
//
// Where things are in one address space, on the system that the work runs on.
//
// Scenarios say "heap[3]", recordings say 0x7f…3000. The book knows where the first is here, and
// where the second went if this system placed a mapping elsewhere than the recorded one did.

import Mooring

/// Why an address cannot be told.
struct UnresolvedAddress: Error {
    var region: RegionID
}

/// Where regions and recorded mappings are in one address space.
///
/// Processes that share memory share the book.
final class AddressBook {
    /// Where a region is.
    struct Place: Hashable {
        var address: UInt64
        var length: UInt64
    }

    /// A recorded mapping that lies elsewhere here.
    private struct Move {
        var recorded: Range<UInt64>
        /// What to add to a recorded address; wraps.
        var distance: UInt64
    }

    private var regions: [RegionID: Place]
    /// The latest last: it hides what it overlaps.
    private var moves: [Move]

    init() {
        regions = [:]
        moves = []
    }

    /// The book of a child that got a copy of the memory.
    init(copying other: AddressBook) {
        regions = other.regions
        moves = other.moves
    }

    // MARK: Learning

    /// Says where a region is.
    func place(_ region: RegionID, at address: UInt64, length: UInt64) {
        regions[region] = Place(address: address, length: length.roundedUpToPages)
    }

    /// Learns from a successful call where its result and its region are.
    ///
    /// - Parameters:
    ///   - operation: What was done, as the work writes it.
    ///   - length: How long what lies at the address is.
    ///   - address: What the system returned.
    ///   - recorded: What the recorded kernel returned.
    func learn(
        _ operation: Operation, length: UInt64, at address: UInt64, recorded: UInt64?
    ) {
        if let region = operation.binds {
            place(region, at: address, length: length)
        } else if case .mremap(.region(let region), _, let flags, _) = operation.call,
            !flags.contains(.dontUnmap)
        {
            place(region, at: address, length: length)
        }
        guard let recorded, recorded != address || !moves.isEmpty else { return }
        // The heap of brk grows without another address being returned.
        let extent = operation.call.kind == .brk ? 1 << 30 : max(length.roundedUpToPages, pageSize)
        let (end, overflow) = recorded.addingReportingOverflow(extent)
        let range = recorded..<(overflow ? .max : end)
        // What the new mapping covers is of no more use, and recordings can be long.
        moves.removeAll {
            range.lowerBound <= $0.recorded.lowerBound && $0.recorded.upperBound <= range.upperBound
        }
        moves.append(Move(recorded: range, distance: address &- recorded))
    }

    // MARK: From the work to the system

    func resolve(_ address: Address) throws(UnresolvedAddress) -> UInt64 {
        switch address {
        case .absolute(let address): return here(address)
        case .region(let region, let offset):
            return try place(of: region).address &+ UInt64(bitPattern: offset)
        }
    }

    func resolve(_ span: Span) throws(UnresolvedAddress) -> Span {
        switch span {
        case .absolute(let address, let length):
            return .absolute(address: here(address), length: length)
        case .region(let region):
            let place = try place(of: region)
            return .absolute(address: place.address, length: place.length)
        case .part(let region, let offset, let length):
            let start = try place(of: region).address &+ UInt64(bitPattern: offset)
            return .absolute(address: start, length: length)
        }
    }

    func resolve(_ call: Call) throws(UnresolvedAddress) -> Call {
        switch call {
        case .mmap(let address, let length, let protection, let flags, let file, let offset):
            return .mmap(
                address: .absolute(try resolve(address)), length: length, protection: protection,
                flags: flags, file: file, offset: offset)
        case .munmap(let span): return .munmap(try resolve(span))
        case .mprotect(let span, let protection):
            return .mprotect(try resolve(span), protection)
        case .mremap(let span, let newLength, let flags, let address):
            return .mremap(
                try resolve(span), newLength: newLength, flags: flags,
                newAddress: .absolute(try resolve(address)))
        case .madvise(let span, let advice): return .madvise(try resolve(span), advice)
        case .brk(let address): return .brk(.absolute(try resolve(address)))
        case .mincore(let span): return .mincore(try resolve(span))
        case .msync(let span, let flags): return .msync(try resolve(span), flags)
        case .mlock(let span): return .mlock(try resolve(span))
        case .mlock2(let span, let flags): return .mlock2(try resolve(span), flags)
        case .munlock(let span): return .munlock(try resolve(span))
        case .remapFilePages(let span, let protection, let pageOffset, let flags):
            return .remapFilePages(
                try resolve(span), protection: protection, pageOffset: pageOffset, flags: flags)
        case .movePages(let span, let node, let flags):
            return .movePages(try resolve(span), node: node, flags: flags)
        case .mbind(let span, let mode, let nodes, let flags):
            return .mbind(try resolve(span), mode: mode, nodes: nodes, flags: flags)
        case .shmat(let file, let address, let flags):
            return .shmat(file, address: .absolute(try resolve(address)), flags: flags)
        case .shmdt(let address): return .shmdt(.absolute(try resolve(address)))
        case .access(let span, let kind): return .access(try resolve(span), kind)
        case .store(let span, let seed): return .store(try resolve(span), seed: seed)
        case .load(let span): return .load(try resolve(span))
        case .mlockall, .munlockall, .migratePages, .createFile, .ftruncate, .seal,
            .punchHole, .readFile, .writeFile, .shmLock, .spawn, .fork, .exec, .exit, .setLimit,
            .setLockPrivilege, .setAdministrator:
            return call
        }
    }

    private func place(of region: RegionID) throws(UnresolvedAddress) -> Place {
        guard let place = regions[region] else { throw UnresolvedAddress(region: region) }
        return place
    }

    /// Where a recorded address is on this system.
    private func here(_ recorded: UInt64) -> UInt64 {
        // Nothing is recorded at 0: it stands for no address.
        guard !moves.isEmpty, recorded != 0 else { return recorded }
        let move = moves.last { $0.recorded.contains(recorded) }
        return recorded &+ (move?.distance ?? 0)
    }

    // MARK: From the system to the work

    /// An address of this system as the work would write it.
    ///
    /// - Parameters:
    ///   - address: An address of this system.
    ///   - region: The region that the operation is about: the address is told from there, even if
    ///     it lies outside.
    /// - Returns: The same address in a form that does not depend on where this system put things.
    func portable(_ address: UInt64, near region: RegionID? = nil) -> Address {
        if let region, let place = regions[region] {
            return .region(region, offset: Int64(bitPattern: address &- place.address))
        }
        // The region that begins last is the most telling one, and the choice must not depend on
        // the order of a dictionary.
        let around =
            regions
            .filter { address &- $0.value.address < max($0.value.length, 1) }
            .max { ($0.value.address, $0.key) < ($1.value.address, $1.key) }
        if let around {
            return .region(around.key, offset: Int64(bitPattern: address &- around.value.address))
        }
        let move = moves.last { $0.recorded.contains(address &- $0.distance) }
        return .absolute(address &- (move?.distance ?? 0))
    }
}

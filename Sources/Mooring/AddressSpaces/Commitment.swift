// SPDX-License-Identifier: Apache-2.0
//
// What programs were promised (Committed_AS) and how much may be promised: proc(5),
// `vm.overcommit_memory`.

/// How freely memory is promised: `vm.overcommit_memory`.
public enum OvercommitMode: UInt8, Sendable, CaseIterable {
    /// Refuses only a single request beyond all memory and swap.
    case heuristic = 0
    /// Refuses nothing.
    case always = 1
    /// Promises no more than the commit limit.
    case never = 2
}

/// The flat state behind ``Commitment``.
struct CommitmentState {
    var pages: UInt64 = 0
    var mode: OvercommitMode
    var totalPages: UInt64
    var swapPages: UInt64
    /// `vm.overcommit_ratio` in percent.
    var ratio: UInt64 = 50
    /// Pages kept back in mode `never`: `user_reserve_kbytes`, and `admin_reserve_kbytes` for
    /// those without the privilege to use it.
    var userReserve: UInt64
    var adminReserve: UInt64 = 8192 / 4
}

/// The machine's account of promised memory, in pages.
struct Commitment {
    private let state: UnsafeMutablePointer<CommitmentState>

    init(mode: OvercommitMode, totalPages: UInt64, swapPages: UInt64) {
        state = .allocate(capacity: 1)
        // 3 % of memory, at most 128 MiB, as sysctl/vm documents.
        state.initialize(
            to: CommitmentState(
                mode: mode, totalPages: totalPages, swapPages: swapPages,
                userReserve: min(totalPages / 32, (128 << 20) >> pageShift)))
    }

    /// Gives the memory back.
    func deallocate() { state.deallocate() }

    /// Whether the account is at an address.
    func hasState(at address: UInt) -> Bool { state.contains(address) }

    private var word: AtomicField64 { AtomicField64(at: UnsafeMutableRawPointer(state)) }

    var mode: OvercommitMode { state.pointee.mode }

    /// Pages promised.
    var committedPages: UInt64 { word.load() }

    /// The most that mode `never` promises.
    var limitPages: UInt64 {
        state.pointee.totalPages * state.pointee.ratio / 100 + state.pointee.swapPages
    }

    /// All memory and swap: more at once is never promised.
    private var allPages: UInt64 { state.pointee.totalPages + state.pointee.swapPages }

    /// Promises pages to an address space, or refuses.
    func charge(_ pages: Int, to space: AddressSpace, isAdmin: Bool) -> Bool {
        let total = word.add(UInt64(pages))
        let isAllowed: Bool
        switch state.pointee.mode {
        case .always: isAllowed = true
        case .heuristic: isAllowed = UInt64(pages) <= allPages
        case .never:
            let reserve =
                min(
                    state.pointee.userReserve,
                    UInt64(space.pointer.pointee.totalPages) / 32)
                + (isAdmin ? 0 : state.pointee.adminReserve)
            isAllowed = total + min(reserve, limitPages) <= limitPages
        }
        guard isAllowed else {
            word.subtract(UInt64(pages))
            return false
        }
        return true
    }

    /// Promises pages that belong to no address space, or refuses.
    func charge(_ pages: Int) -> Bool {
        let total = word.add(UInt64(pages))
        let isAllowed =
            switch state.pointee.mode {
            case .always: true
            case .heuristic: UInt64(pages) <= allPages
            case .never: total <= limitPages
            }
        if !isAllowed { word.subtract(UInt64(pages)) }
        return isAllowed
    }

    /// Takes a promise back.
    func uncharge(_ pages: Int) { word.subtract(UInt64(pages)) }
}

// SPDX-License-Identifier: Apache-2.0
//
// How much of which list a round looks at.
//
// Both kinds of memory are pressed in proportion to what they are worth: `vm.swappiness` says what
// swapping costs against reading a file again (100: the same), and what reclaim has met lately says
// how well each kind has been chosen. Where there is no swap, anonymous memory is left alone.

/// The frames that a round still wants to look at, list by list.
struct ScanPlan {
    private var left = InlineArray<4, Int>(repeating: 0)
    private var turn = 0

    /// `swappiness` is nil where anonymous memory has nowhere to go; `isFileMemoryLow` says whether
    /// there is next to no other.
    init(
        lists: LRULists, node: Int, round: ReclaimRound, swappiness: Int?,
        isFileMemoryLow: @autoclosure () -> Bool
    ) {
        let shares: (anonymous: Int, file: Int) =
            switch swappiness {
            case nil: (0, 1)
            case 0: isFileMemoryLow() ? (1, 0) : (0, 1)
            // At the last priority nothing is spared.
            case _ where round.priority == 0: (1, 1)
            case let value?: ScanPlan.shares(lists, node, value)
            }
        for list in LRUList.allCases {
            let part = lists.count(list, node: node) >> round.priority
            let share = list.isFile ? shares.file : shares.anonymous
            // At the last priority everything is looked at that may be.
            left[list.rawValue] =
                round.priority == 0 && share > 0
                ? part : part * share / max(1, shares.file + shares.anonymous)
        }
    }

    /// How the pressure is shared out.
    private static func shares(
        _ lists: LRULists, _ node: Int, _ swappiness: Int
    ) -> (anonymous: Int, file: Int) {
        let costOfAnonymous = lists.cost(ofFile: false, node: node) + 1
        let costOfFile = lists.cost(ofFile: true, node: node) + 1
        // Damped, so that a kind that went badly is not left alone altogether.
        let sum = costOfAnonymous + costOfFile
        return (
            swappiness * (sum + costOfFile), (200 - min(200, swappiness)) * (sum + costOfAnonymous)
        )
    }

    /// A list of which frames are left to look at, each in its turn; nil at the end.
    mutating func next() -> LRUList? {
        for _ in 0..<4 {
            let index = turn
            turn = (turn + 1) % 4
            if left[index] > 0 { return LRUList(rawValue: index) }
        }
        return nil
    }

    /// Takes up to a batch off what is left of a list.
    mutating func take(_ list: LRUList, _ batch: Int) -> Int {
        let taken = min(batch, left[list.rawValue])
        left[list.rawValue] -= taken
        return taken
    }
}

extension Reclaimer {
    /// Whether what is free and what files have, together, is below what a node's high marks ask for.
    func isFileMemoryLow(node: Int) -> Bool {
        var spare =
            lists.count(.inactiveFile, node: node) + lists.count(.activeFile, node: node)
        for type in ZoneType.allCases {
            let zone = allocator.zone(node * ZoneType.count + Int(type.rawValue))
            if zone.managed > 0 { spare += zone.available(above: .high, best: .movable) }
        }
        return spare < 0
    }

    /// Whether a kind has too few inactive frames: they need time to prove that they are used.
    ///
    /// The larger the memory, the smaller the part of it that suffices: one to one below 1 GiB, one
    /// to three at 1 GiB, one to ten at 10 GiB, one to a hundred at 1 TiB.
    func isInactiveLow(_ isFile: Bool, node: Int) -> Bool {
        let inactive = lists.count(isFile ? .inactiveFile : .inactiveAnon, node: node)
        let active = lists.count(isFile ? .activeFile : .activeAnon, node: node)
        let gibibytes = (inactive + active) >> 18
        let ratio = gibibytes == 0 ? 1 : Int(Double(10 * gibibytes).squareRoot())
        return inactive * ratio < active
    }
}

// SPDX-License-Identifier: Apache-2.0
//
// Advice that a VMA remembers.

extension VMAFlags {
    /// The flags of a VMA after an advice that is kept in flags.
    ///
    /// - Throws: `EINVAL` where the advice does not suit it.
    func advised(_ advice: Advice, isFile: Bool) throws(Errno) -> VMAFlags {
        switch advice {
        case .normal: subtracting([.randomRead, .sequentialRead])
        case .random: subtracting(.sequentialRead).union(.randomRead)
        case .sequential: subtracting(.randomRead).union(.sequentialRead)
        case .dontFork: try unlessIO().union(.dontCopy)
        case .doFork: try unlessIO().subtracting(.dontCopy)
        case .dontDump: union(.dontDump)
        case .doDump: try dumped()
        case .wipeOnFork: try wipedOnFork(isFile: isFile)
        case .keepOnFork: try keptOnFork()
        case .mergeable: isMergeable ? union(.mergeable) : self
        case .unmergeable: subtracting(.mergeable)
        case .hugePage: subtracting(.noHugePage).union(.hugePage)
        case .noHugePage: subtracting(.hugePage).union(.noHugePage)
        default: self
        }
    }

    private func unlessIO() throws(Errno) -> VMAFlags {
        if contains(.io) { throw .EINVAL }
        return self
    }

    /// Only private anonymous memory can be wiped.
    private func wipedOnFork(isFile: Bool) throws(Errno) -> VMAFlags {
        if isFile || contains(.shared) { throw .EINVAL }
        return union(.wipeOnFork)
    }

    /// Droppable memory is never dumped.
    private func dumped() throws(Errno) -> VMAFlags {
        if contains(.droppable) { throw .EINVAL }
        return subtracting(.dontDump)
    }

    /// Droppable memory is never inherited.
    private func keptOnFork() throws(Errno) -> VMAFlags {
        if contains(.droppable) { throw .EINVAL }
        return subtracting(.wipeOnFork)
    }

    /// Whether same-page merging may look at it; for others the advice is accepted in vain.
    private var isMergeable: Bool {
        isDisjoint(with: [.shared, .mayShare, .hugeTLB, .droppable])
            && isDisjoint(with: .special)
    }
}

// SPDX-License-Identifier: Apache-2.0

@testable import Mooring

/// VMAs that belong to no address space, for tests of the tree alone.
final class VMAArena {
    private var free: [VMARef] = []
    private var chunks: [UnsafeMutablePointer<VMAState>] = []

    deinit {
        for chunk in chunks { chunk.deallocate() }
    }

    func make(_ start: UInt64, _ end: UInt64, flags: VMAFlags = []) -> VMARef {
        if free.isEmpty {
            let chunk = UnsafeMutablePointer<VMAState>.allocate(capacity: 1024)
            chunks.append(chunk)
            free = (0..<1024).reversed().map { VMARef(pointer: chunk + $0) }
        }
        let vma = free.removeLast()
        vma.pointer.initialize(
            to: VMAState(
                start: start, end: end, flags: flags, pageOffset: start >> pageShift,
                addressSpace: nil, file: nil, anonGroup: nil, groupLinks: nil, previous: nil,
                next: nil, fileNode: IntervalNode(), number: 0, name: .none))
        return vma
    }

    func recycle(_ vma: VMARef) { free.append(vma) }
}

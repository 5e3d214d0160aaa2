// SPDX-License-Identifier: Apache-2.0

@testable import Mooring

/// VMAs that belong to no address space, for tests of the tree alone.
final class VMAArena {
    private var free: [VMARef] = []
    private var chunks: [UnsafeMutablePointer<VMAState>] = []
    private var rests = SlabCompanion<VMARest>(capacity: 1 << 20)

    deinit {
        for chunk in chunks { chunk.deallocate() }
        rests.deallocate()
    }

    func make(_ start: UInt64, _ end: UInt64, flags: VMAFlags = []) -> VMARef {
        if free.isEmpty {
            let chunk = UnsafeMutablePointer<VMAState>.allocate(capacity: 1024)
            let first = UInt32(chunks.count * 1024)
            chunks.append(chunk)
            for index in 0..<1024 {
                let rest = rests[first + UInt32(index)]
                rest.initialize(
                    to: VMARest(number: first + UInt32(index), attributes: VMAAttributes()))
                (chunk + index).initialize(
                    to: VMAState(start: 0, end: 0, flags: [], pageOffset: 0, rest: rest))
            }
            free = (0..<1024).reversed().map { VMARef(pointer: chunk + $0) }
        }
        let vma = free.removeLast()
        vma.start = start
        vma.end = end
        vma.flags = flags
        vma.pageOffset = start >> pageShift
        vma.previous = nil
        vma.next = nil
        return vma
    }

    func recycle(_ vma: VMARef) { free.append(vma) }
}

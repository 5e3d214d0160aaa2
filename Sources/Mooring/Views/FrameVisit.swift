// SPDX-License-Identifier: Apache-2.0
//
// The walk over frames that kpageflags, kpagecount and the map of pageblocks share.
//
// LOCKS   The zone's, for a block of the largest order at a time: free blocks neither merge nor
//         split under the walk. Frames in use change all the while; what is read of each is true
//         of some moment.

extension FrameAllocator {
    /// Visits frames in ascending order: those of a free block, or without descriptors, as one
    /// range, any other frame by itself with its descriptor.
    ///
    /// Frames on per-CPU lists come by themselves, with descriptors that name nobody. `body` takes
    /// no lock.
    @inline(__always)
    func visit(_ range: Range<Int>, on cpu: CPU, _ body: (Range<Int>, FrameRef?) -> Void) {
        for zone in zones {
            // Zones begin at multiples of the largest block, so no block crosses a step.
            var base = zone.start
            if range.lowerBound > base {
                base += (range.lowerBound - base) & ~(maximumBlockFrames - 1)
            }
            while base < min(zone.end, range.upperBound) {
                zone.lock.lock(.zone, on: cpu)
                let known = zone.nextUninitialised
                if base >= known {
                    zone.lock.unlock(.zone, on: cpu)
                    body((base..<zone.end).clamped(to: range), nil)
                    break
                }
                let end = min(base + maximumBlockFrames, known)
                while base < end {
                    let frame = zone.frames[PFN(base)]
                    let isFree = frame.has(.buddy)
                    let next = isFree ? base + 1 << frame.order : base + 1
                    let part = (base..<next).clamped(to: range)
                    if !part.isEmpty { body(part, isFree ? nil : frame) }
                    base = next
                }
                zone.lock.unlock(.zone, on: cpu)
            }
        }
    }
}

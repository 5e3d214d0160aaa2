// SPDX-License-Identifier: Apache-2.0
//
// /proc/PID/pagemap: a word a page, admin-guide/mm/pagemap.

/// The bits of a word of pagemap beside the frame number in the low 55.
package enum PagemapBits {
    package static let present: UInt64 = 1 << 63
    package static let swapped: UInt64 = 1 << 62
    /// A page of a file, or shared anonymous memory.
    package static let fileOrShared: UInt64 = 1 << 61
    /// A guard marker; ``swapped`` is set beside it.
    package static let guardRegion: UInt64 = 1 << 58
    /// Mapped by this entry alone.
    package static let exclusive: UInt64 = 1 << 56
    package static let frameMask: UInt64 = 1 << 55 - 1
}

extension Machine.Task {
    /// What /proc/PID/pagemap shows of a region to a reader with CAP_SYS_ADMIN, who may see frame
    /// numbers.
    ///
    /// - Returns: A word for each page that the region touches, 0 where nothing is mapped; nothing
    ///   at all for a region that wraps.
    package func pagemap(_ region: Region) -> [UInt64] {
        let start = region.address.pageAligned
        let (last, overflows) = region.address.addingReportingOverflow(region.length)
        let end = last > UInt64.max - pageSize || overflows ? 0 : last.roundedUpToPages
        guard start < end else { return [] }
        var words = [UInt64](repeating: 0, count: Int((end - start) >> pageShift))
        inspect { space, cpu in
            let top = min(end, PageTables.userTop)
            machine.spaces.forEachEntry(in: space, from: start, to: top, on: cpu) {
                words[Int(($0 - start) >> pageShift)] = machine.pagemapWord($1)
            }
        }
        return words
    }
}

extension Machine {
    /// The word of pagemap for an entry that is not empty; under its table's lock.
    fileprivate func pagemapWord(_ entry: Entry) -> UInt64 {
        if entry.isSwapped {
            // The area's number in the low five bits, the slot's above them.
            let place = swap.place(of: entry.swapSlot)
            return PagemapBits.swapped | UInt64(place.area) | UInt64(place.offset) << 5
        }
        guard entry.isMapped else {
            return entry.isGuard
                ? PagemapBits.swapped | PagemapBits.guardRegion : PagemapBits.swapped
        }
        var word = PagemapBits.present | UInt64(entry.frame.rawValue)
        if entry.isUncounted { return word }
        let frame = frames[entry.frame]
        if !frame.has(.anonymous) { word |= PagemapBits.fileOrShared }
        if frame.mapCount == 1 { word |= PagemapBits.exclusive }
        return word
    }
}

// SPDX-License-Identifier: Apache-2.0
//
// A helper's address space: emptied after an exec, and made like the one that a recorded program
// was loaded into.

import CLinuxHost
import Glibc
import Mooring
import Workloads

/// One of the areas that a kernel gives every program: code and data of its own.
struct VDSOArea {
    /// As maps names it: `[vdso]`, `[vvar]`, `[vvar_vclock]`.
    var name: Substring
    /// Where it is parked.
    var range: Range<UInt64>

    /// Whether it can stand for an area of a recorded program.
    func isLike(_ area: ExecImage.Area) -> Bool {
        guard area.length == UInt64(range.count) else { return false }
        return area.purpose == (name == "[vdso]" ? .vdso : .vvar)
    }
}

extension Helper {
    /// Where areas may wait: beside the helper's own, so that they need no page table of theirs.
    private static let parking = home.upperBound + 16 * pageSize

    /// Unmaps everything that is not the helper's own: what the kernel mapped at an exec.
    ///
    /// A kernel may have sealed its vdso (CONFIG_MSEAL_SYSTEM_MAPPINGS). It stays then; what the
    /// first helper cannot get rid of is kept out of what processes show (`HelperFootprint`).
    ///
    /// - Parameter keepsVDSO: Whether the areas of the vdso are parked instead.
    /// - Returns: The parked areas.
    /// - Throws: `HelperGone`, or `SystemFailure` where maps cannot be read.
    @discardableResult
    func clear(keepsVDSO: Bool = false) throws -> [VDSOArea] {
        var parked: [VDSOArea] = []
        var place = Helper.parking
        for line in try hostText("/proc/\(pid)/maps").split(separator: "\n") {
            guard let range = areaRange(of: line), !range.overlaps(Helper.home),
                range.upperBound <= UInt64(HELPER_SPACE_END)
            else { continue }
            let name = line.split(separator: " ").last ?? ""
            if keepsVDSO, name == "[vdso]" || name.hasPrefix("[vvar") {
                guard try move(range, to: place) else { continue }
                parked.append(VDSOArea(name: name, range: place..<place + UInt64(range.count)))
                place += UInt64(range.count)
            } else {
                _ = try call(.munmap, range.lowerBound, UInt64(range.count))
            }
        }
        return parked
    }

    /// Moves a mapping; whether the kernel allows it.
    func move(_ range: Range<UInt64>, to address: UInt64) throws(HelperGone) -> Bool {
        let length = UInt64(range.count)
        let flags: RemapFlags = [.mayMove, .fixed]
        return try !call(
            .mremap, range.lowerBound, length, length, UInt64(flags.rawValue), address
        ).failed
    }

    /// Where the top-down search for room begins: the end of what mmap(2) gives an empty space.
    func mapTop() throws(HelperGone) -> UInt64 {
        let flags: MapFlags = [.private, .anonymous]
        let reply = try call(.mmap, 0, pageSize, 0, UInt64(flags.rawValue), UInt64.max)
        guard !reply.failed else { return 0 }
        let address = UInt64(bitPattern: reply.value)
        _ = try call(.munmap, address, pageSize)
        return address + pageSize
    }

    /// Has brk(2) start at an address, and names the area that ends at `stackEnd` the stack.
    ///
    /// - Returns: Whether the kernel allows it (CONFIG_CHECKPOINT_RESTORE, and no privilege).
    func setBreak(_ start: UInt64, stackEnd: UInt64?) throws(HelperGone) -> Bool {
        // LINUX: struct prctl_mm_map. Code and data stand for the helper's own, which its
        // footprint and its limits on data reckon with, and have to end before the break.
        let data = start.pageAligned - min(start.pageAligned, 2 * Helper.halfLength)
        let own = [data, data + Helper.halfLength]
        let stack = stackEnd.map { $0 - 1 } ?? Helper.home.lowerBound
        let nowhere = [UInt64](repeating: Helper.home.lowerBound, count: 4)
        var map: [UInt8] = []
        for word in own + own + [start, start, stack] + nowhere + [0] { map += bytes(word) }
        map += bytes(UInt32(0)) + bytes(UInt32.max)  // no auxiliary vector, no other program
        return try !call(
            .prctl, 35, 14, Helper.payloadIn, UInt64(map.count), payload: map  // PR_SET_MM_MAP
        ).failed
    }

    /// Begins the peak of resident memory (VmHWM) anew, where the kernel has that.
    func resetPeak() {
        writeHostText("5", to: "/proc/\(pid)/clear_refs")
    }
}

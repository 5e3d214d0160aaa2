// SPDX-License-Identifier: Apache-2.0
//
// The two-letter codes that smaps has for what a VMA allows: filesystems/proc, "VmFlags".

extension VMAFlags {
    /// The codes in the order in which the kernel prints them.
    static let codes: [(flag: VMAFlags, code: String)] = [
        (.read, "rd"), (.write, "wr"), (.execute, "ex"), (.shared, "sh"), (.mayRead, "mr"),
        (.mayWrite, "mw"), (.mayExecute, "me"), (.mayShare, "ms"), (.growsDown, "gd"),
        (.guarded, "gu"), (.pfnMapped, "pf"), (.locked, "lo"), (.io, "io"), (.sequentialRead, "sr"),
        (.randomRead, "rr"), (.dontCopy, "dc"), (.dontExpand, "de"), (.lockOnFault, "lf"),
        (.accounted, "ac"), (.noReserve, "nr"), (.hugeTLB, "ht"), (.synchronous, "sf"),
        (.wipeOnFork, "wf"), (.dontDump, "dd"), (.softDirty, "sd"), (.hugePage, "hg"),
        (.noHugePage, "nh"), (.mergeable, "mg"), (.droppable, "dp"), (.sealed, "sl"),
    ]

    /// The codes of the flags that are set, each followed by a space.
    var codesText: String {
        var buffer = TextBuffer()
        for (flag, code) in VMAFlags.codes where contains(flag) {
            buffer.append(code)
            buffer.append(" ")
        }
        return buffer.text
    }
}

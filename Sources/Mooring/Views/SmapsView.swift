// SPDX-License-Identifier: Apache-2.0
//
// The texts of /proc/PID/smaps and smaps_rollup.
//
// LINUX   Nothing is huge, merged or swapped yet: those fields are 0, and THPeligible says where
//         huge pages could come if they were for those who ask (mode `madvise`). Locked is the proportional
//         share of the pages present in locked VMAs, as the kernel prints it.

extension Machine.Task {
    /// What /proc/PID/smaps shows: a paragraph a VMA.
    public func smaps() -> String {
        inspect { space, cpu in
            var buffer = TextBuffer()
            space.forEachVMA { vma in
                var usage = MemoryUsage()
                machine.spaces.measure(vma, in: space, into: &usage, on: cpu)
                vma.appendMapsLine(to: &buffer, in: space)
                buffer.appendField("Size", vma.pageCount.kilobytes)
                buffer.appendField("KernelPageSize", 1.kilobytes)
                buffer.appendField("MMUPageSize", 1.kilobytes)
                usage.appendSmapsLines(to: &buffer, isRollup: false)
                buffer.appendField("THPeligible", vma.mayHoldHugePages ? 1 : 0, unit: "")
                buffer.append("VmFlags: ")
                buffer.append(vma.flags.codesText)
                buffer.append("\n")
            }
            return buffer.text
        }
    }

    /// What /proc/PID/smaps_rollup shows: the sums over all VMAs.
    ///
    /// Fractions are summed before they are cut off, so that its Pss may be more than the sum of
    /// what smaps prints.
    public func smapsRollup() -> String {
        inspect { space, cpu in
            var usage = MemoryUsage()
            space.forEachVMA {
                machine.spaces.measure($0, in: space, into: &usage, on: cpu)
            }
            var buffer = TextBuffer()
            VMARef.appendMapsLine(
                to: &buffer, start: space.tree.first?.start ?? 0, end: space.tree.last?.end ?? 0,
                rights: "---p", offset: 0, file: nil, name: "[rollup]")
            usage.appendSmapsLines(to: &buffer, isRollup: true)
            return buffer.text
        }
    }
}

extension VMARef {
    /// Whether a huge page fits, and the program has asked for huge pages here.
    fileprivate var mayHoldHugePages: Bool {
        file == nil && flags.contains(.hugePage) && hasRoomForHugePage
            && flags.isDisjoint(with: .special)
    }
}

extension MemoryUsage {
    /// Appends the lines from Rss to Locked.
    fileprivate func appendSmapsLines(to buffer: inout TextBuffer, isRollup: Bool) {
        func share(_ name: String, _ value: Int) {
            buffer.appendField(name, value >> (MemoryUsage.shareShift + 10))
        }
        func pages(_ name: String, _ value: Int) {
            buffer.appendField(name, value.kilobytes)
        }
        pages("Rss", resident)
        share("Pss", proportional)
        share("Pss_Dirty", proportionalDirty)
        if isRollup {
            share("Pss_Anon", proportionalAnonymous)
            share("Pss_File", proportionalFile)
            share("Pss_Shmem", proportionalSharedMemory)
        }
        pages("Shared_Clean", sharedClean)
        pages("Shared_Dirty", sharedDirty)
        pages("Private_Clean", privateClean)
        pages("Private_Dirty", privateDirty)
        pages("Referenced", referenced)
        pages("Anonymous", anonymous)
        pages("KSM", 0)
        pages("LazyFree", lazyFree)
        pages("AnonHugePages", 0)
        pages("ShmemPmdMapped", 0)
        pages("FilePmdMapped", 0)
        pages("Shared_Hugetlb", 0)
        pages("Private_Hugetlb", 0)
        pages("Swap", swapped)
        share("SwapPss", proportionalSwapped)
        share("Locked", locked)
    }
}

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
            var text = ""
            space.forEachVMA { vma in
                var usage = MemoryUsage()
                machine.spaces.measure(vma, in: space, into: &usage, on: cpu)
                text += vma.mapsLine(in: space)
                text += kilobyteField("Size", vma.pageCount.kilobytes)
                text += kilobyteField("KernelPageSize", 1.kilobytes)
                text += kilobyteField("MMUPageSize", 1.kilobytes)
                text += usage.smapsLines(isRollup: false)
                text +=
                    field("THPeligible", vma.mayHoldHugePages ? 1 : 0)
                    + "\nVmFlags: \(vma.flags.codesText)\n"
            }
            return text
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
            return VMARef.mapsLine(
                start: space.tree.first?.start ?? 0, end: space.tree.last?.end ?? 0,
                rights: "---p", offset: 0, file: nil, name: "[rollup]")
                + usage.smapsLines(isRollup: true)
        }
    }
}

extension VMARef {
    /// Whether a huge page fits, and the program has asked for huge pages here.
    fileprivate var mayHoldHugePages: Bool {
        let size = UInt64(1) << TableLevel.pmd.rawValue
        let first = (start + size - 1) & ~(size - 1)
        return file == nil && flags.contains(.hugePage) && first + size <= end
            && flags.isDisjoint(with: .special)
    }
}

extension MemoryUsage {
    /// The lines from Rss to Locked.
    fileprivate func smapsLines(isRollup: Bool) -> String {
        func share(_ name: String, _ value: Int) -> String {
            kilobyteField(name, value >> (MemoryUsage.shareShift + 10))
        }
        func pages(_ name: String, _ value: Int) -> String {
            kilobyteField(name, value.kilobytes)
        }
        var text = pages("Rss", resident)
        text += share("Pss", proportional)
        text += share("Pss_Dirty", proportionalDirty)
        if isRollup {
            text += share("Pss_Anon", proportionalAnonymous)
            text += share("Pss_File", proportionalFile)
            text += share("Pss_Shmem", proportionalSharedMemory)
        }
        text += pages("Shared_Clean", sharedClean)
        text += pages("Shared_Dirty", sharedDirty)
        text += pages("Private_Clean", privateClean)
        text += pages("Private_Dirty", privateDirty)
        text += pages("Referenced", referenced)
        text += pages("Anonymous", anonymous)
        text += pages("KSM", 0)
        text += pages("LazyFree", lazyFree)
        text += pages("AnonHugePages", 0)
        text += pages("ShmemPmdMapped", 0)
        text += pages("FilePmdMapped", 0)
        text += pages("Shared_Hugetlb", 0)
        text += pages("Private_Hugetlb", 0)
        text += pages("Swap", 0)
        text += pages("SwapPss", 0)
        return text + share("Locked", locked)
    }
}

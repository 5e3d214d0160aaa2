// SPDX-License-Identifier: Apache-2.0
//
// execve(2): the address space of a new program, as the kernel's loader leaves it.

/// One area that a loader maps.
struct LoadedArea {
    var start: UInt64
    var length: UInt64
    var protection: Protection
    var file: FileRef?
    var offset: UInt64
    var name: VMAName
}

extension AddressSpaces {
    /// Fills an empty address space with a program's areas.
    ///
    /// - Throws: `EINVAL` for an area that is not made of whole user pages or lies on another,
    ///   `ENOMEM` beyond the commit limit.
    func load(
        _ areas: [LoadedArea], into space: AddressSpace, mapTop: UInt64, breakStart: UInt64,
        on cpu: CPU
    ) throws(Errno) {
        space.lock.lock(.addressSpace, on: cpu)
        defer { space.lock.unlock(.addressSpace, on: cpu) }
        space.pointer.pointee.mapTop = mapTop == 0 ? limits.defaultMapTop : mapTop
        space.pointer.pointee.breakStart = breakStart
        space.pointer.pointee.breakEnd = breakStart
        for area in areas {
            let size = area.length.roundedUpToPages
            guard area.start.isPageAligned, size != 0, area.start <= limits.userEnd,
                size <= limits.userEnd - area.start + pageSize,
                space.tree.isFree(start: area.start, end: area.start + size)
            else { throw .EINVAL }
            var flags = VMAFlags(area.protection).union([.mayRead, .mayWrite, .mayExecute])
            switch area.name {
            case .stack:
                flags.insert(.growsDown)
                space.pointer.pointee.stackStart = area.start + size
            case .vdso: flags.insert(.dontExpand)
            case .vvar, .vvarClock:
                flags.formUnion([.pfnMapped, .io, .dontExpand, .dontDump])
                flags.subtract([.mayWrite, .mayExecute])
            case .none: break
            }
            if flags.contains(.write), !flags.contains(.shared) {
                let pages = Int(size >> pageShift)
                guard commitment.charge(pages, to: space, isAdmin: true) else { throw .ENOMEM }
                flags.insert(.accounted)
            }
            addVMA(
                NewVMA(
                    start: area.start, end: area.start + size, flags: flags,
                    pageOffset: area.file == nil
                        ? area.start >> pageShift : area.offset >> pageShift,
                    file: area.file, attributes: VMAAttributes(name: area.name)),
                to: space, on: cpu)
        }
        space.pointer.pointee.codePages = codePages(of: areas, below: breakStart)
    }

    /// Pages of the code of the program, which is the file mapped last below its heap.
    private func codePages(of areas: [LoadedArea], below breakStart: UInt64) -> Int {
        guard
            let program = areas.last(where: { $0.start < breakStart && $0.file != nil })?.file
        else { return 0 }
        var pages = 0
        for area in areas
        where area.file == program && area.protection.contains(.execute)
            && !area.protection.contains(.write)
        {
            pages += Int(area.length.roundedUpToPages >> pageShift)
        }
        return pages
    }
}

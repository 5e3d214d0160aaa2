// SPDX-License-Identifier: Apache-2.0

extension Machine {
    /// One area of a program that is about to run, as the loader in a kernel maps it.
    package struct ProgramArea: Sendable {
        /// What maps calls an area that has no file.
        package enum Purpose: Sendable {
            case segment
            case stack
            case vdso
            case vvar
            case vvarClock
        }

        package var region: Region
        package var protection: Protection
        package var file: File?
        package var offset: UInt64
        package var purpose: Purpose

        package init(
            region: Region, protection: Protection, file: File? = nil, offset: UInt64 = 0,
            purpose: Purpose = .segment
        ) {
            self.region = region
            self.protection = protection
            self.file = file
            self.offset = offset
            self.purpose = purpose
        }
    }
}

extension Machine.Task {
    /// execve(2): leaves the address space for a new one that holds a program.
    ///
    /// - Parameters:
    ///   - name: What the process is called from now on.
    ///   - areas: What the loader mapped.
    ///   - mapTop: Where the top-down search for room starts; 0 for the default.
    ///   - breakStart: Where the heap starts.
    /// - Throws: `ENOMEM` or `EINVAL`; the process then keeps its old address space.
    package func execute(
        _ name: String, areas: [Machine.ProgramArea], mapTop: UInt64, breakStart: UInt64
    ) throws(Errno) {
        try enter { caller throws(Errno) in
            let space = machine.spaces.makeSpace(on: caller.cpu)
            do throws(Errno) {
                try machine.spaces.load(
                    areas.map(LoadedArea.init), into: space, mapTop: mapTop,
                    breakStart: breakStart, on: caller.cpu)
            } catch {
                machine.spaces.release(space, on: caller.cpu)
                throw error
            }
            // ORDER: out of the table before it goes, for who chooses a victim finds it there.
            let old = machine.processes.setSpace(space, of: process, on: caller.cpu)
            machine.spaces.release(old, on: caller.cpu)
            machine.processes.setName(name, of: process, on: caller.cpu)
        }
    }
}

extension LoadedArea {
    fileprivate init(_ area: Machine.ProgramArea) {
        let name: VMAName =
            switch area.purpose {
            case .segment: .none
            case .stack: .stack
            case .vdso: .vdso
            case .vvar: .vvar
            case .vvarClock: .vvarClock
            }
        self.init(
            start: area.region.address, length: area.region.length, protection: area.protection,
            file: area.file?.file, offset: area.offset, name: name)
    }
}

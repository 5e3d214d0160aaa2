// SPDX-License-Identifier: Apache-2.0
//
// What an importer of strace's output keeps of processes, their memory and their files.

import Mooring

/// An address space whose beginnings the text does not show: what execve mapped.
///
/// A call that succeeds on addresses nobody mapped proves that they were mapped by execve, so the
/// image grows while the text is read, and is written into its step at the end.
final class ImportedImage {
    var name: String
    /// The step that is its exec.
    let step: Int
    /// What must have been mapped when the program began.
    var areas = AddressRanges()
    /// The end of what the first mmap got that left the choice to the kernel.
    var mapTop: UInt64?
    var breakStart: UInt64?

    init(name: String, step: Int) {
        self.name = name
        self.step = step
    }

    var image: ExecImage {
        ExecImage(
            name: name,
            areas: areas.ranges.map {
                ExecImage.Area(
                    address: $0.lowerBound, length: $0.upperBound - $0.lowerBound,
                    protection: [.read, .write])
            },
            mapTop: mapTop ?? ExecImage.defaultMapTop,
            breakStart: breakStart ?? ExecImage.defaultBreakStart)
    }
}

/// What is known of an address space while the text is read.
final class ImportedMemory {
    var image: ImportedImage
    private(set) var mapped: AddressRanges
    private var breakEnd: UInt64?
    /// The lengths of attached segments, by address.
    private var attached: [UInt64: UInt64]

    init(image: ImportedImage) {
        self.image = image
        mapped = AddressRanges()
        attached = [:]
    }

    init(copying other: ImportedMemory) {
        image = other.image
        mapped = other.mapped
        breakEnd = other.breakEnd
        attached = other.attached
    }

    private static func pages(_ address: UInt64, _ length: UInt64) -> Range<UInt64> {
        let start = address.pageAligned
        let (end, overflow) = address.addingReportingOverflow(length)
        let limit: UInt64 = 1 << 56
        guard !overflow, end < limit else { return start..<max(start, limit) }
        return start..<end.roundedUpToPages
    }

    func map(_ address: UInt64, _ length: UInt64) {
        mapped.insert(Self.pages(address, length))
    }

    func unmap(_ address: UInt64, _ length: UInt64) {
        mapped.remove(Self.pages(address, length))
    }

    /// Learns that a span is mapped.
    func prove(_ address: UInt64, _ length: UInt64) {
        for gap in mapped.missing(in: Self.pages(address, length)) {
            image.areas.insert(gap)
            mapped.insert(gap)
        }
    }

    /// Learns what a mapping got whose address the kernel chose.
    func chose(_ address: UInt64, _ length: UInt64) {
        if image.mapTop == nil { image.mapTop = Self.pages(address, length).upperBound }
    }

    func setBreak(_ end: UInt64) {
        if image.breakStart == nil { image.breakStart = end }
        if let breakEnd {
            if end > breakEnd {
                map(breakEnd, end - breakEnd)
            } else {
                unmap(end.roundedUpToPages, breakEnd - min(breakEnd, end.roundedUpToPages))
            }
        }
        breakEnd = end
    }

    func attach(_ address: UInt64, _ length: UInt64) {
        attached[address] = length
        map(address, length)
    }

    func detach(_ address: UInt64) {
        if let length = attached.removeValue(forKey: address) { unmap(address, length) }
    }
}

/// What is known of a process while the text is read.
final class ImportedProcess {
    let process: ProcessID
    var name = ""
    /// How many programs it has executed.
    var executed = 0
    var memory: ImportedMemory
    var descriptors: [Int32: FileID] = [:]
    var threads: Set<Int32>
    var hasExited = false

    init(_ process: ProcessID, memory: ImportedMemory) {
        self.process = process
        self.memory = memory
        threads = [process.rawValue]
    }
}

/// The files that a text names.
struct ImportedFiles {
    private var ids: [String: FileID] = [:]
    private var descriptions: [FileDescription] = []
    /// How far mappings of each reach.
    private var reach: [UInt64] = []
    private var hasLength: [Bool] = []
    /// Those that calls about memory name; most files are only read.
    private var used: Set<FileID> = []

    /// The file of a path, or a new one.
    mutating func file(_ path: String) -> FileID {
        if let known = ids[path] { return known }
        let isMemory = path.hasPrefix("/memfd:") || path.hasPrefix("/dev/shm/")
        let file = add(kind: isMemory ? .memory : .disk, name: path, access: .read)
        ids[path] = file
        return file
    }

    /// A new file.
    mutating func add(
        kind: FileDescription.Kind, name: String, access: Protection = [.read, .write],
        length: UInt64? = nil
    ) -> FileID {
        descriptions.append(
            FileDescription(kind: kind, length: length ?? 0, name: name, access: access))
        reach.append(0)
        hasLength.append(length != nil)
        return FileID(rawValue: Int32(descriptions.count))
    }

    private func index(_ file: FileID) -> Int { Int(file.rawValue) - 1 }

    /// Says that a call about memory names a file.
    mutating func use(_ file: FileID) { used.insert(file) }

    mutating func allowWriting(_ file: FileID) {
        descriptions[index(file)].access = [.read, .write]
    }

    mutating func setLength(_ file: FileID, _ length: UInt64) {
        guard !hasLength[index(file)] else { return }
        descriptions[index(file)].length = length
        hasLength[index(file)] = true
    }

    mutating func map(_ file: FileID, offset: UInt64, length: UInt64) {
        let (end, overflow) = offset.addingReportingOverflow(length)
        if !overflow { reach[index(file)] = max(reach[index(file)], end) }
    }

    func length(of file: FileID) -> UInt64 { descriptions[index(file)].length }

    /// What makes the files that are used, before anything else happens.
    var steps: [Step] {
        used.sorted().map { file in
            var description = descriptions[index(file)]
            // A file of unknown length reaches as far as its mappings do.
            if !hasLength[index(file)] { description.length = reach[index(file)] }
            return Step(Operation(.none, .createFile(file, description)))
        }
    }
}

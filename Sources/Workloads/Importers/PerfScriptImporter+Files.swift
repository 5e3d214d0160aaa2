// SPDX-License-Identifier: Apache-2.0
//
// Which file a mapping shows. A call names a descriptor, and the record of the area that it made
// names the file; the two together make the table of files. Device and inode are a file's
// identity, not its path: a file may be replaced while a program runs.

import Mooring

extension PerfScriptImporter {
    /// The file of an area, made known by a step if it is new.
    mutating func file(
        _ line: PerfScriptLine, of area: PerfScriptArea, descriptor: UInt64? = nil
    ) -> Int {
        if let known = fileIndexes[area.key] { return known }
        let name = PerfScriptImporter.name(of: area)
        let process = processes[line.process]
        if let descriptor, let made = process?.descriptors[descriptor],
            files[made].description.kind == .memory, files[made].description.name.isEmpty
        {
            // memfd_create does not show the name; the mapping does.
            files[made].description.name = name
            fileIndexes[area.key] = made
            return made
        }
        let isInMemory = area.name.hasPrefix("/memfd:")
        let index = addFile(
            line,
            FileDescription(
                kind: isInMemory ? .memory : .disk, length: isInMemory ? area.length : 0,
                name: name, isCached: !isInMemory))
        files[index].statedLength = lengths[area.key]
        if let descriptor { files[index].truncatedLength = process?.truncations[descriptor] }
        fileIndexes[area.key] = index
        return index
    }

    /// A file that a call mapped without a record that says which.
    mutating func unknownFile(_ line: PerfScriptLine) -> Int {
        addFile(line, FileDescription(kind: .disk, length: 0, name: "unknown", isCached: true))
    }

    private mutating func addFile(_ line: PerfScriptLine, _ description: FileDescription) -> Int {
        let id = FileID(rawValue: Int32(files.count + 1))
        let step = add(line, .createFile(id, description), recorded: .value(0))
        files.append(PerfScriptFile(id: id, description: description, step: step))
        return files.count - 1
    }

    /// A file's name as ``FileDescription`` has it: without what the kernel adds.
    private static func name(of area: PerfScriptArea) -> String {
        let suffix = " (deleted)"
        var name = area.name
        if name.hasSuffix(suffix) { name.removeLast(suffix.count) }
        let prefix = "/memfd:"
        return name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
    }

    // MARK: Calls

    mutating func memfd(_ line: PerfScriptLine, _ descriptor: UInt64) {
        let index = addFile(line, FileDescription(kind: .memory, length: 0, name: ""))
        processes[line.process]?.descriptors[descriptor] = index
    }

    mutating func ftruncate(
        _ line: PerfScriptLine, _ call: PerfScriptThread.PendingCall, _ outcome: Outcome
    ) {
        let descriptor = call.arguments[0] & 0xffff_ffff
        let length = call.arguments[1]
        guard let process = processes[line.process] else { return }
        // A descriptor's file is certain only if the text tells when descriptors are closed.
        if let file = process.descriptors[descriptor],
            tellsClosing || files[file].description.kind == .memory
        {
            add(line, .ftruncate(files[file].id, length: length), recorded: outcome)
        } else if case .value = outcome {
            processes[line.process]?.truncations[descriptor] = length
        }
    }

    mutating func shmget(
        _ line: PerfScriptLine, _ call: PerfScriptThread.PendingCall, _ segment: UInt64
    ) {
        guard segments[segment] == nil else { return }
        segments[segment] = addFile(
            line,
            FileDescription(
                kind: .sharedMemory, length: call.arguments[1],
                name: PerfScriptImporter.segmentName(key: call.arguments[0])))
    }

    mutating func shmat(
        _ line: PerfScriptLine, _ call: PerfScriptThread.PendingCall, _ outcome: Outcome
    ) {
        guard let space = processes[line.process]?.space else { return }
        let segment = call.arguments[0] & 0xffff_ffff
        if segments[segment] == nil, let area = call.area {
            // Another program made it; its size is known once it is attached.
            segments[segment] = addFile(
                line,
                FileDescription(
                    kind: .sharedMemory, length: area.length,
                    name: PerfScriptImporter.name(of: area), isCached: true))
        }
        guard let file = segments[segment] else { return }
        if case .value(let address) = outcome {
            spaces[space].files.map(
                address, length: files[file].description.length, file: file, offset: 0,
                isShared: true)
        }
        add(
            line,
            .shmat(
                files[file].id, address: .absolute(call.arguments[1]),
                flags: AttachFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments[2]))),
            recorded: outcome)
    }

    private static func segmentName(key: UInt64) -> String {
        let digits = String(key & 0xffff_ffff, radix: 16)
        return "/SYSV" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}

extension PerfScriptImporter {
    /// A file that a text says was mapped.
    package struct MappedFile: Hashable, Sendable {
        /// How a note `# mooring: file` begins: device and inode.
        package var identity: String
        package var inode: UInt64
        package var path: String
    }

    /// The files that a text maps, so that a recorder can add their lengths to it.
    package static func mappedFiles(in text: [UInt8]) -> [MappedFile] {
        var seen = Set<PerfScriptFileKey>()
        var found: [MappedFile] = []
        for line in text.split(separator: UInt8(ascii: "\n")) {
            // A torn line is the import's to report.
            guard case .area(let area)? = (try? PerfScriptReader.read(line, number: 0))?.event,
                area.hasFile, area.name.hasPrefix("/"), !area.name.hasSuffix(" (deleted)"),
                seen.insert(area.key).inserted
            else { continue }
            let major = String(area.key.device >> 32, radix: 16)
            let minor = String(area.key.device & 0xffff_ffff, radix: 16)
            found.append(
                MappedFile(
                    identity: "\(major):\(minor) \(area.key.inode)", inode: area.key.inode,
                    path: area.name))
        }
        return found
    }
}

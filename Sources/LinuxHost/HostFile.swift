// SPDX-License-Identifier: Apache-2.0
//
// Files and segments that operations name, made for real and gone when the system is: a memfd, an
// unlinked file on a disk, a System V segment already marked for removal.
//
// What happens to a file outside of any address space (length, holes, reading, writing) the host
// does itself, so that no helper's memory is touched by it.

import CLinuxHost
import Glibc
import Mooring
import Workloads

/// One file of the work.
final class HostFile {
    /// What it is, made real.
    private enum Backing {
        /// A descriptor for the host, which may do anything, and the one that mmap(2) is given.
        case file(host: Int32, shared: Int32)
        /// A segment; the host keeps it attached so that it outlives its removal.
        case segment(identifier: Int32, attached: UnsafeMutableRawPointer)
    }

    private let backing: Backing

    /// Makes a file.
    ///
    /// - Throws: `Errno` as memfd_create(2) or shmget(2) would, `SystemFailure` where the host
    ///   cannot offer such a file.
    init(_ description: FileDescription) throws {
        switch description.kind {
        case .memory:
            let file = host_memory_file(description.name, description.isSealable ? 1 : 0)
            guard file >= 0 else { throw Mooring.Errno(rawValue: -file) }
            backing = try HostFile.share(file, description)
        case .disk:
            backing = try HostFile.share(HostFile.unlinkedFile(), description)
        case .sharedMemory:
            backing = try HostFile.segment(description)
        }
    }

    deinit {
        switch backing {
        case .file(let host, let shared):
            close(host)
            close(shared)
        case .segment(_, let attached):
            shmdt(attached)
        }
    }

    // MARK: Making

    /// Gives a new file its length, and opens it once more the way that the work may use it.
    private static func share(
        _ file: Int32, _ description: FileDescription
    ) throws(SystemFailure) -> Backing {
        guard ftruncate(file, off_t(clamping: description.length)) == 0 else {
            let error = lastError()
            close(file)
            throw SystemFailure(
                "The file \(description.name) cannot have \(description.length) bytes on this "
                    + "host: \(error).")
        }
        let access = description.access
        // LINUX: the fourth access mode, 3, is a descriptor that may do neither.
        let mode: Int32 =
            if access.contains([.read, .write]) {
                O_RDWR
            } else if access.contains(.write) {
                O_WRONLY
            } else if access.contains(.read) {
                O_RDONLY
            } else {
                O_ACCMODE
            }
        let shared = host_reopen(file, mode)
        guard shared >= 0 else {
            close(file)
            throw SystemFailure(
                "The file \(description.name) cannot be opened as \(access.rawValue) on this "
                    + "host: \(Mooring.Errno(rawValue: -shared)).")
        }
        return .file(host: file, shared: shared)
    }

    /// A file without a name on a file system that keeps its pages on a device.
    private static func unlinkedFile() throws(SystemFailure) -> Int32 {
        let named = getenv("TMPDIR").map { String(cString: $0) }
        let directories = [named, "/var/tmp", "/tmp", "."].compactMap { $0 }
        for directory in directories {
            let file = host_disk_file(directory)
            if file >= 0 { return file }
        }
        throw SystemFailure(
            "A file on a disk cannot be made: none of \(directories.joined(separator: ", ")) is a "
                + "writable directory of a disk. Set TMPDIR to one.")
    }

    private static func segment(_ description: FileDescription) throws -> Backing {
        let mode: Int32 =
            (description.access.contains(.read) ? 0o400 : 0)
            | (description.access.contains(.write) ? 0o200 : 0)
        // The host attaches it before the permissions become those of the work.
        let identifier = shmget(
            IPC_PRIVATE, Int(truncatingIfNeeded: description.length), IPC_CREAT | 0o600)
        guard identifier >= 0 else { throw lastError() }
        let attached = shmat(identifier, nil, 0)
        let error = lastError()
        var state = shmid_ds()
        if shmctl(identifier, IPC_STAT, &state) == 0 {
            state.shm_perm.mode = UInt32(mode)
            shmctl(identifier, IPC_SET, &state)
        }
        // ORDER: removal after attaching. A segment marked for removal lives while it is attached,
        // and Linux lets others attach it by its number.
        shmctl(identifier, IPC_RMID, nil)
        guard let attached, Int(bitPattern: attached) != -1 else {
            throw SystemFailure("A shared memory segment cannot be attached: \(error).")
        }
        return .segment(identifier: identifier, attached: attached)
    }

    /// Brings all pages into the page cache: each by itself, but for those of large folios.
    ///
    /// LINUX: ext4 makes a folio of the size of a write, where none of its pages is cached yet, and
    /// single pages of single reads without readahead.
    func cache(_ description: FileDescription) throws(SystemFailure) {
        guard case .file(let host, _) = backing else { return }
        let page = Int(pageSize)
        let largest = description.largeFolios.map(\.count).max() ?? 1
        let complete = withUnsafeTemporaryAllocation(
            byteCount: largest * page, alignment: page
        ) { buffer in
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            for folio in description.largeFolios {
                let start = folio.lowerBound * pageSize
                guard start < description.length else { continue }
                let length = min(UInt64(folio.count) * pageSize, description.length - start)
                guard pwrite(host, buffer.baseAddress, Int(length), off_t(start)) >= 0 else {
                    return false
                }
            }
            posix_fadvise(host, 0, 0, POSIX_FADV_RANDOM)
            var done: UInt64 = 0
            while done < description.length {
                guard pread(host, buffer.baseAddress, page, off_t(done)) > 0 else { return false }
                done += pageSize
            }
            // The work's own reads are as its kernel would do them.
            posix_fadvise(host, 0, 0, POSIX_FADV_NORMAL)
            return true
        }
        guard complete else {
            throw SystemFailure(
                "The pages of \(description.name) cannot be cached on this host: \(lastError()).")
        }
    }

    // MARK: For mapping

    /// The descriptor that a process is given.
    func descriptorForSharing() throws(SystemFailure) -> Int32 {
        guard case .file(_, let shared) = backing else {
            throw SystemFailure("A shared memory segment is attached with shmat, not mapped.")
        }
        return shared
    }

    /// The segment's number.
    func segmentIdentifier() throws(SystemFailure) -> Int32 {
        guard case .segment(let identifier, _) = backing else {
            throw SystemFailure("A file is mapped with mmap; only a segment can be attached.")
        }
        return identifier
    }

    private func hostDescriptor(_ call: String) throws(SystemFailure) -> Int32 {
        guard case .file(let host, _) = backing else {
            throw SystemFailure("\(call) needs a file; a shared memory segment is none.")
        }
        return host
    }

    /// Its inode number, as maps shows it, and its length.
    func identity() -> (inode: UInt64, length: UInt64)? {
        guard case .file(let host, _) = backing else { return nil }
        var state = stat()
        guard fstat(host, &state) == 0 else { return nil }
        return (UInt64(state.st_ino), UInt64(state.st_size))
    }

    // MARK: Calls

    func truncate(to length: UInt64) throws(SystemFailure) -> Outcome {
        let file = try hostDescriptor("ftruncate")
        let result = ftruncate(file, off_t(truncatingIfNeeded: length))
        return result < 0 ? .failed(lastError()) : .value(0)
    }

    func add(_ seals: FileSeals) throws(SystemFailure) -> Outcome {
        let result = host_add_seals(try descriptorForSharing(), Int32(seals.rawValue))
        return result < 0 ? .failed(Mooring.Errno(rawValue: -result)) : .value(0)
    }

    func punchHole(offset: UInt64, length: UInt64) throws(SystemFailure) -> Outcome {
        let file = try hostDescriptor("punchHole")
        let result = host_punch_hole(
            file, Int64(bitPattern: offset), Int64(bitPattern: length))
        return result < 0 ? .failed(Mooring.Errno(rawValue: -result)) : .value(0)
    }

    /// pread(2) in pieces up to `length` or the end of the file; what was read is dropped.
    func read(offset: UInt64, length: UInt64) throws(SystemFailure) -> Outcome {
        let file = try descriptorForSharing()
        return inPieces(offset: offset, length: length) { buffer, at in
            pread(file, buffer.baseAddress, buffer.count, at)
        }
    }

    /// pwrite(2) of zeroes, a page at a time: the page cache would keep what is written at once in
    /// folios of that size.
    func write(offset: UInt64, length: UInt64) throws(SystemFailure) -> Outcome {
        let file = try descriptorForSharing()
        return inPieces(of: pageSize, offset: offset, length: length) { buffer, at in
            pwrite(file, buffer.baseAddress, buffer.count, at)
        }
    }

    /// Transfers pieces that end where a multiple of their size does.
    private func inPieces(
        of size: UInt64 = 1 << 16, offset: UInt64, length: UInt64,
        _ transfer: (UnsafeMutableRawBufferPointer, off_t) -> Int
    ) -> Outcome {
        withUnsafeTemporaryAllocation(byteCount: Int(size), alignment: 16) { buffer in
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            var done: UInt64 = 0
            repeat {
                let piece = min(length - done, size - (offset &+ done) % size)
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(piece)])
                let moved = transfer(part, off_t(truncatingIfNeeded: offset &+ done))
                if moved < 0 {
                    // As read(2) and write(2): what was moved before an error is the result.
                    return done > 0 ? .value(done) : .failed(lastError())
                }
                done += UInt64(moved)
                if moved < Int(piece) { break }
            } while done < length
            return .value(done)
        }
    }
}

/// errno as our own type.
func lastError() -> Mooring.Errno { Mooring.Errno(rawValue: errno) }

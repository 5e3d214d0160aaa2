// SPDX-License-Identifier: Apache-2.0
//
// The kernel of this host as a memory system: every operation is carried out for real.
//
// Each process of the work is a helper: a process whose address space holds two small areas at
// one fixed place (`Helper.home`) and whatever the work made. The first helper does no work; it
// is what new processes are forked from, and its views are what is left out of theirs.
//
// How close a helper is to a process that did nothing but the work:
//   * Addresses are not random. mmap places top-down from 0x7ffff7fff000, brk starts at
//     0x55555555c000 (a container that forbids personality(2) gets random addresses). There is
//     no stack, vdso or vvar area; the vsyscall page is not shown.
//   * Two areas more than it made count towards vm.max_map_count.
//   * No call may reach the helper's own areas: such an operation is refused, not carried out.
//   * mlockall(MCL_CURRENT) locks the helper's areas too; they are unlocked at once, so VmLck is
//     exact. Limits on address space and data are raised by what a helper uses of them, and that
//     on locked memory while mlockall looks at it, as far as the hard limit allows.
//   * Faults on the helper's own pages are not counted, as far as they come with a fork or an exec.
//   * A process that shares its parent's memory has its parent's helper until it executes a
//     program. Threads are not told apart either: what they do to memory comes one after the other.
//
// SEE     CLinuxHost/helper_boot.c (how a helper comes to life), KernelSystem+Exec.swift (an
//         address space like that of a recorded program), KernelSystem+Limits.swift (what a host
//         may refuse), HostFile.swift, ProcessText.swift (views without the helper).

import CLinuxHost
import Glibc
import Mooring
import Workloads

/// The host's kernel, driven through helper processes.
package final class KernelSystem: MemorySystem {
    package let name: String
    /// The host runs programs besides the work.
    package let ownsMachine = false

    let first: Helper
    /// What limits the memory of all helpers together, if anything does.
    private let group: MemoryGroup?
    private let footprint: HelperFootprint
    private var helpers: [ProcessID: Helper] = [:]
    var files: [FileID: HostFile] = [:]
    /// What was done otherwise than asked; each goes on after a colon.
    package private(set) var remarks: [String] = []
    /// Whether processes may lock as much as they like.
    let mayLock: Bool
    /// The calls that no process may make here, whatever it holds.
    private let forbiddenCalls: Set<CallKind>
    /// See `searchCeiling()`.
    var knownSearchCeiling: UInt64?
    /// How many more bytes of files are brought into the page cache.
    private var cacheBudget: UInt64
    /// What the kernel keeps of frames, once it was asked for.
    private lazy var frameTables = KernelFrames()

    /// Starts the first helper.
    ///
    /// - Parameter memory: How much memory all processes of the work may have together, in bytes;
    ///   `nil` for what the host has.
    /// - Throws: `SystemFailure` where the host cannot run helpers, `HostRefusal` where it cannot
    ///   limit their memory.
    package init(memory: UInt64? = nil) throws {
        var host = utsname()
        uname(&host)
        let release = withUnsafeBytes(of: host.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        name = "Linux \(release)"

        try KernelSystem.checkProcessDirectory()
        group = try memory.map(MemoryGroup.init(limit:))
        first = try Helper.start()
        try group?.add(first.pid)
        let directory = "/proc/\(first.pid)"
        footprint = HelperFootprint(
            maps: try hostText(directory + "/maps"),
            status: try hostText(directory + "/status"),
            statm: try hostText(directory + "/statm"))
        mayLock = try KernelSystem.mayLock(first)
        first.holdsLockPrivilege = mayLock
        forbiddenCalls = try KernelSystem.forbiddenCalls(first)
        cacheBudget = try KernelSystem.availableMemory() / 4
        preferAsVictim()
    }

    /// How much memory the host could give (MemAvailable), in bytes.
    private static func availableMemory() throws -> UInt64 {
        let text = try hostText("/proc/meminfo")
        let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        return (line.flatMap { UInt64($0.filter(\.isNumber)) } ?? 0) << 10
    }

    /// How often the work wanted more memory than it may have.
    package var timesFull: Int { group?.timesFull ?? 0 }

    /// Whether this host has swap.
    package static var hasSwap: Bool {
        // A line of headings, and one for each area.
        ((try? hostText("/proc/swaps"))?.split(separator: "\n").count ?? 0) > 1
    }

    /// Notes that something was done otherwise than asked; once.
    func remark(_ sentence: String) {
        if !remarks.contains(sentence) { remarks.append(sentence) }
    }

    /// Why this host's kernel cannot stand for a machine; `nil` if it can.
    ///
    /// Most settings are a machine's own affair, and a kernel passes over them. Those that decide
    /// what calls answer must be what the host has: they cannot be set for the work alone.
    package static func refusal(of settings: MachineSettings) -> String? {
        // A helper has two areas of its own, so that the work meets the host's limit two early: a
        // scenario of the limit itself asks for two less, others may ask for what the host has.
        let wanted: [(name: String, values: [Int])] = [
            ("overcommit_memory", settings.overcommit.map { [$0] } ?? []),
            ("max_map_count", settings.maxMapCount.map { [$0, $0 + 2] } ?? []),
        ]
        for (name, values) in wanted where !values.isEmpty {
            let text = (try? hostText("/proc/sys/vm/\(name)"))?.split(separator: "\n").first
            guard let found = text.flatMap({ Int($0) }), !values.contains(found) else { continue }
            return "vm.\(name) is \(found) on this host, and the scenario is about \(values[0])"
        }
        return nil
    }

    /// Makes helpers the first that the kernel kills when memory runs out, rather than the host.
    private func preferAsVictim() {
        // Raising one's own score needs no privilege; where it fails nothing else changes.
        writeHostText("1000", to: "/proc/\(first.pid)/oom_score_adj")
    }

    // MARK: Operations

    package func perform(_ operation: Operation) throws -> Outcome {
        let process = operation.process
        if forbiddenCalls.contains(operation.call.kind) {
            throw forbidden(operation.call.kind.rawValue)
        }
        switch operation.call {
        case .spawn:
            return try add(first.fork(), as: process, result: 0)
        case .createFile(let file, let description):
            guard files[file] == nil else {
                throw SystemFailure("File \(file.rawValue) exists already.")
            }
            do {
                files[file] = try makeFile(description)
            } catch let error as Mooring.Errno {
                return .failed(error)
            }
            return .value(0)
        case .ftruncate(let file, let length):
            return try hostFile(file).truncate(to: length)
        case .seal(let file, let seals):
            return try hostFile(file).add(seals)
        case .punchHole(let file, let offset, let length):
            return try hostFile(file).punchHole(offset: offset, length: length)
        case .readFile(let file, let offset, let length):
            return try hostFile(file).read(offset: offset, length: length)
        case .writeFile(let file, let offset, let length):
            return try hostFile(file).write(offset: offset, length: length)
        default:
            break
        }

        let helper = try helper(process)
        do {
            switch operation.call {
            case .fork(let child, sharesMemory: false):
                return try helper.excludingOwnFaults {
                    try add(helper.fork(), as: child, result: UInt64(child.rawValue))
                }
            case .fork(let child, sharesMemory: true):
                guard helpers[child] == nil else {
                    throw SystemFailure("Process \(child.rawValue) exists already.")
                }
                helpers[child] = helper
                return .value(UInt64(child.rawValue))
            case .exec(let image):
                switch try exec(image, helper, isShared: isShared(helper)) {
                case .failure(let error): return .failed(error)
                case .success(let fresh):
                    helpers[process] = fresh
                    return .value(0)
                }
            case .setLimit, .setLockPrivilege, .setAdministrator:
                guard !isShared(helper) else {
                    throw HostRefusal(
                        "limits and privileges of a process that shares memory with another "
                            + "cannot be set apart.")
                }
                return try carryOut(operation.call, on: helper)
            case .exit:
                return try exit(process, helper)
            default:
                return try carryOut(operation.call, on: helper)
            }
        } catch is HelperGone {
            return try bury(process, helper)
        }
    }

    /// Takes in a new helper.
    private func add(
        _ forked: Result<Helper, Mooring.Errno>, as process: ProcessID, result: UInt64
    ) throws -> Outcome {
        switch forked {
        case .failure(let error):
            return .failed(error)
        case .success(let helper):
            guard helpers[process] == nil else {
                throw SystemFailure("Process \(process.rawValue) exists already.")
            }
            try helper.excludeAllFaults()
            helpers[process] = helper
            return .value(result)
        }
    }

    /// Whether a helper acts for more than one process.
    private func isShared(_ helper: Helper) -> Bool {
        helpers.values.count { $0 === helper } > 1
    }

    package func kill(_ process: ProcessID) {
        guard let helper = helpers.removeValue(forKey: process) else { return }
        if helpers.values.contains(where: { $0 === helper }) { return }
        helper.end()
    }

    private func exit(_ process: ProcessID, _ helper: Helper) throws -> Outcome {
        helpers[process] = nil
        if helpers.values.contains(where: { $0 === helper }) { return .value(0) }
        do {
            _ = try helper.call(.exitGroup, 0)
        } catch {
            // An exit has no reply: that the helper is gone is the success.
        }
        helper.reap()
        return .value(0)
    }

    /// Finds out how a helper died: out of memory is a result of the work.
    private func bury(_ process: ProcessID, _ helper: Helper) throws -> Outcome {
        helpers = helpers.filter { $0.value !== helper }
        let signal = helper.reap()
        guard signal == SIGKILL else {
            throw SystemFailure(
                "The helper of process \(process.rawValue) (pid \(helper.pid)) died"
                    + (signal == 0 ? "." : " of signal \(signal)."))
        }
        return .signal(.outOfMemory, address: 0)
    }

    // MARK: Looking up

    func helper(_ process: ProcessID) throws(SystemFailure) -> Helper {
        guard let helper = helpers[process] else {
            throw SystemFailure(
                "Process \(process.rawValue) does not exist: it was never spawned, or is gone.")
        }
        return helper
    }

    /// Makes a file with the pages in the page cache that the work wants there.
    private func makeFile(_ description: FileDescription) throws -> HostFile {
        let file: HostFile
        do {
            file = try HostFile(description)
        } catch let error as SystemFailure where description.kind == .disk {
            var inMemory = description
            inMemory.kind = .memory
            inMemory.name = String(description.name.suffix(60))
            file = try HostFile(inMemory)
            remark(
                "files in memory stand for files on a disk, so that their pages count as shared "
                    + "memory and some mappings lie elsewhere. \(error)")
        }
        guard description.isCached else { return file }
        guard description.length <= cacheBudget else {
            remark("not all files are in the page cache that were; they take too much memory.")
            return file
        }
        cacheBudget -= description.length
        try file.cache(description)
        return file
    }

    func hostFile(_ file: FileID) throws(SystemFailure) -> HostFile {
        guard let known = files[file] else {
            throw SystemFailure("File \(file.rawValue) does not exist; create it first.")
        }
        return known
    }

    /// The pid that a process of the work has on the host while it runs.
    package func pid(of process: ProcessID) throws -> Int32 { try helper(process).pid }

    // MARK: Views

    package func text(_ view: ProcessView, of process: ProcessID) throws -> String {
        let directory = "/proc/\(try helper(process).pid)/"
        let text = try hostText(directory + view.rawValue)
        return switch view {
        case .maps, .smaps:
            footprint.removed(fromAreas: text)
        case .smapsRollup:
            footprint.removed(fromRollup: text, smaps: try hostText(directory + "smaps"))
        case .status:
            footprint.removed(fromStatus: text)
        case .statm:
            footprint.removed(fromStatm: text)
        }
    }

    package func pagemap(
        of process: ProcessID, address: UInt64, pages: Int
    ) throws -> [UInt64] {
        let path = "/proc/\(try helper(process).pid)/pagemap"
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw SystemFailure("\(path) cannot be read on this host: \(lastError()).")
        }
        defer { close(file) }
        var length = 0
        let entries = [UInt64](unsafeUninitializedCapacity: pages) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            while length < pages * 8 {
                let at = off_t(address >> pageShift) * 8 + off_t(length)
                let got = pread(file, bytes.baseAddress.map { $0 + length }, pages * 8 - length, at)
                guard got > 0 else { break }
                length += got
            }
            count = length / 8
        }
        guard entries.count == pages else {
            throw SystemFailure("\(path) ends before page 0x\(String(address, radix: 16)).")
        }
        return entries
    }

    package func frames(_ numbers: [UInt64]) throws -> [FrameWords]? {
        frameTables?.words(of: numbers)
    }

    package func sample(of process: ProcessID) throws -> ProcessSample {
        let text = try hostText("/proc/\(try helper(process).pid)/status")
        var sample = ProcessSample()
        for line in text.split(separator: "\n") where line.hasSuffix(" kB") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = line[..<colon]
            let digits = line[line.index(after: colon)...].dropLast(3)
            let kilobytes = UInt64(digits.drop { $0 == " " || $0 == "\t" }) ?? 0
            let bytes = (kilobytes - min(kilobytes, footprint.own(name))) << 10
            switch name {
            case "VmSize": sample.virtual = bytes
            case "RssAnon": sample.anonymous = bytes
            case "RssFile": sample.file = bytes
            case "RssShmem": sample.sharedMemory = bytes
            case "VmHWM": sample.peakResident = bytes
            case "VmLck": sample.locked = bytes
            case "VmPTE": sample.pageTables = bytes
            default: break
            }
        }
        let faults = try helper(process).faults()
        sample.minorFaults = faults.minor
        sample.majorFaults = faults.major
        return sample
    }

    package func text(_ view: MachineView) throws -> String {
        switch view {
        case .unusableIndex, .fragmentationIndex:
            do {
                return try hostText("/sys/kernel/debug/extfrag/" + view.rawValue)
            } catch {
                throw SystemFailure(
                    "\(view.rawValue) is a file of debugfs, which this host does not offer to us; "
                        + "it can be computed from buddyinfo.")
            }
        default:
            return try hostText("/proc/" + view.rawValue)
        }
    }
}

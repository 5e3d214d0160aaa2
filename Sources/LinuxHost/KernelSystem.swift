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
//   * exec starts afresh with nothing mapped: the areas of an `ExecImage` are not made.
//
// SEE     CLinuxHost/helper_boot.c (where an empty address space comes from), HostFile.swift,
//         ProcessText.swift (views without the helper).

import CLinuxHost
import Glibc
import Mooring
import Workloads

/// The host's kernel, driven through helper processes.
package final class KernelSystem: MemorySystem {
    package let name: String
    /// The host runs programs besides the work.
    package let ownsMachine = false

    private let first: Helper
    private let footprint: HelperFootprint
    private var helpers: [ProcessID: Helper] = [:]
    var files: [FileID: HostFile] = [:]

    /// Starts the first helper.
    ///
    /// - Throws: `SystemFailure` where the host cannot run helpers.
    package init() throws {
        var host = utsname()
        uname(&host)
        let release = withUnsafeBytes(of: host.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        name = "Linux \(release)"

        first = try Helper.start()
        let directory = "/proc/\(first.pid)"
        footprint = HelperFootprint(
            maps: try hostText(directory + "/maps"),
            status: try hostText(directory + "/status"),
            statm: try hostText(directory + "/statm"))
        first.holdsLockPrivilege = try first.effectiveCapabilities() & lockPrivilege != 0
        preferAsVictim()
    }

    /// Why this host's kernel cannot stand for a machine; `nil` if it can.
    ///
    /// Most settings are a machine's own affair, and a kernel passes over them. Those that decide
    /// what calls answer must be what the host has: they cannot be set for the work alone.
    package static func refusal(of settings: MachineSettings) -> String? {
        // A helper has two areas of its own.
        let wanted: [(name: String, value: Int?)] = [
            ("overcommit_memory", settings.overcommit),
            ("max_map_count", settings.maxMapCount.map { $0 + 2 }),
        ]
        for case (let name, let value?) in wanted {
            let text = (try? hostText("/proc/sys/vm/\(name)"))?.split(separator: "\n").first
            guard let found = text.flatMap({ Int($0) }), found != value else { continue }
            return "vm.\(name) is \(found) on this host, and the scenario is about \(value)"
        }
        return nil
    }

    /// Makes helpers the first that the kernel kills when memory runs out, rather than the host.
    private func preferAsVictim() {
        let file = open("/proc/\(first.pid)/oom_score_adj", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        // Raising one's own score needs no privilege; where it fails nothing else changes.
        _ = write(file, "1000", 4)
        close(file)
    }

    // MARK: Operations

    package func perform(_ operation: Operation) throws -> Outcome {
        let process = operation.process
        switch operation.call {
        case .spawn:
            return try add(first.fork(), as: process, result: 0)
        case .createFile(let file, let description):
            guard files[file] == nil else {
                throw SystemFailure("File \(file.rawValue) exists already.")
            }
            do {
                files[file] = try HostFile(description)
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
            case .fork(_, sharesMemory: true):
                throw SystemFailure(
                    "A child that shares its parent's memory cannot be made on the host's kernel: "
                        + "both helpers would run on one stack. Fork without sharing instead.")
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

    package func kill(_ process: ProcessID) {
        guard let helper = helpers.removeValue(forKey: process) else { return }
        _ = Glibc.kill(helper.pid, SIGKILL)
        helper.reap()
    }

    private func exit(_ process: ProcessID, _ helper: Helper) throws -> Outcome {
        helpers[process] = nil
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
        helpers[process] = nil
        let signal = helper.reap()
        guard signal == SIGKILL else {
            throw SystemFailure(
                "The helper of process \(process.rawValue) (pid \(helper.pid)) died"
                    + (signal == 0 ? "." : " of signal \(signal)."))
        }
        return .signal(.outOfMemory, address: 0)
    }

    // MARK: Looking up

    private func helper(_ process: ProcessID) throws(SystemFailure) -> Helper {
        guard let helper = helpers[process] else {
            throw SystemFailure(
                "Process \(process.rawValue) does not exist: it was never spawned, or is gone.")
        }
        return helper
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

// SPDX-License-Identifier: Apache-2.0
//
// A memory cgroup of this host: the processes in it share so much memory and no more, and the kernel
// reclaims among their pages what goes beyond.

import Glibc
import Mooring
import Workloads

/// A memory cgroup, made below this process's own or below the root, and gone when this is.
final class MemoryGroup {
    private let directory: String
    private let isUnified: Bool

    /// Makes a group.
    ///
    /// - Parameter limit: How much memory its processes may have, in bytes.
    /// - Throws: ``HostRefusal`` where none can be made: that takes root, or a group that was handed
    ///   over to the user.
    init(limit: UInt64) throws {
        for place in try MemoryGroup.places() {
            let directory =
                place.directory + "/mooring-\(getpid())-\(UInt32.random(in: 0 ... .max))"
            guard mkdir(directory, 0o755) == 0 else { continue }
            let file = place.isUnified ? "/memory.max" : "/memory.limit_in_bytes"
            if writeHostText("\(limit)", to: directory + file) {
                self.directory = directory
                isUnified = place.isUnified
                return
            }
            rmdir(directory)
        }
        throw HostRefusal(
            "no memory cgroup can be made on this host; that takes root, and a kernel with the memory "
                + "controller.")
    }

    /// Ends what still runs in it.
    deinit {
        let processes = (try? hostText(directory + "/cgroup.procs")) ?? ""
        for process in processes.split(separator: "\n") {
            if let pid = pid_t(process) { kill(pid, SIGKILL) }
        }
        // A group is busy until its processes have gone altogether.
        for _ in 0..<1000 where rmdir(directory) != 0 && errno == EBUSY { usleep(1000) }
    }

    /// Takes a process in; its children will be in it, too.
    func add(_ pid: pid_t) throws(SystemFailure) {
        guard writeHostText("\(pid)", to: directory + "/cgroup.procs") else {
            throw SystemFailure(
                "A process could not be put into the memory cgroup \(directory): \(lastError()).")
        }
    }

    /// How often its processes wanted more than there was.
    var timesFull: Int {
        if !isUnified {
            let text = (try? hostText(directory + "/memory.failcnt")) ?? ""
            return Int(text.filter(\.isNumber)) ?? 0
        }
        let events = (try? hostText(directory + "/memory.events")) ?? ""
        let line = events.split(separator: "\n").first { $0.hasPrefix("max ") }
        return line.flatMap { Int($0.dropFirst(4)) } ?? 0
    }

    // MARK: Finding the place

    private struct Place {
        var directory: String
        var isUnified: Bool
    }

    /// Where a group might be made, the likeliest first.
    private static func places() throws -> [Place] {
        var found: [Place] = []
        let own = try hostText("/proc/self/cgroup").split(separator: "\n")
        for line in try hostText("/proc/self/mountinfo").split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash + 3 < fields.count, dash > 4 else {
                continue
            }
            let isUnified = fields[dash + 1] == "cgroup2"
            let isMemory = fields[dash + 3].split(separator: ",").contains("memory")
            guard isUnified || fields[dash + 1] == "cgroup" && isMemory else { continue }
            // Of the line "4:memory:/path", or "0::/path" where there is one hierarchy for all.
            let path =
                own.first {
                    let parts = $0.split(separator: ":", omittingEmptySubsequences: false)
                    return parts.count > 2
                        && (isUnified
                            ? parts[0] == "0" : parts[1].split(separator: ",").contains("memory"))
                }?.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).last ?? "/"
            let root = String(fields[4])
            found.append(Place(directory: root + (path == "/" ? "" : path), isUnified: isUnified))
            found.append(Place(directory: root, isUnified: isUnified))
        }
        return found
    }
}

// SPDX-License-Identifier: Apache-2.0
//
// The programs that the recorder runs, and the folder that they leave their files in.

import Foundation
import Glibc

/// A program that was started and has not been waited for.
struct ChildProcess {
    private let pid: pid_t

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - path: Where the program is.
    ///   - arguments: Its arguments, the name it is called by first.
    ///   - output: The file for its standard output, instead of this process's.
    ///   - errors: The file for its standard error, instead of this process's.
    /// - Throws: ``RecorderError`` where it cannot be started.
    init(
        _ path: String, _ arguments: [String], output: String? = nil, errors: String? = nil
    ) throws(RecorderError) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, file) in [(STDOUT_FILENO, output), (STDERR_FILENO, errors)] {
            guard let file else { continue }
            posix_spawn_file_actions_addopen(
                &actions, descriptor, file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        }
        // The program is to be interrupted where this process is not.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGINT)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        var blocked = sigset_t()
        sigemptyset(&blocked)
        posix_spawnattr_setsigmask(&attributes, &blocked)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, path, &actions, &attributes, words, environ)
        guard error == 0 else {
            throw RecorderError(
                problem: "cannot start \(path): \(String(cString: strerror(error)))",
                remedy: "Check that it can be run from a shell.")
        }
        self.pid = pid
    }

    /// Waits for its end; interrupts it when the time is over.
    ///
    /// perf then asks the recorded program to terminate and waits for it; what that program has
    /// started is asked here. Whoever has not obeyed after ten seconds is killed.
    ///
    /// - Returns: Its exit status as a shell has it, and whether the time was over.
    func wait(atMost limit: Duration?) -> (status: Int32, limited: Bool) {
        let clock = ContinuousClock()
        let deadline = limit.map { clock.now.advanced(by: $0) }
        var stopped: [pid_t] = []
        var limited = false
        while true {
            var status: Int32 = 0
            let result = waitpid(pid, &status, deadline == nil ? 0 : WNOHANG)
            if result == pid {
                if limited, let deadline { end(stopped, asked: deadline) }
                return (ChildProcess.shellStatus(status), limited)
            }
            if result < 0 && errno != EINTR { return (-1, limited) }
            if result == 0 {
                if let deadline, clock.now >= deadline {
                    if !limited {
                        // Found before perf ends its child, which takes the tree apart.
                        stopped = ChildProcess.descendants(of: pid)
                        kill(pid, SIGINT)
                        for process in stopped { kill(process, SIGTERM) }
                    }
                    limited = true
                    if clock.now >= deadline.advanced(by: patience) {
                        for process in ChildProcess.descendants(of: pid) { kill(process, SIGKILL) }
                    }
                }
                usleep(10_000)
            }
        }
    }

    /// How long a program may take to obey.
    private let patience: Duration = .seconds(10)

    /// Waits for the end of processes that were asked to terminate, and kills those that stay.
    private func end(_ processes: [pid_t], asked: ContinuousClock.Instant) {
        let clock = ContinuousClock()
        while processes.contains(where: ChildProcess.isRunning) {
            if clock.now >= asked.advanced(by: patience) {
                for process in processes { kill(process, SIGKILL) }
                return
            }
            usleep(10_000)
        }
    }

    private static func isRunning(_ pid: pid_t) -> Bool {
        // What follows the name in parentheses, which may hold anything; a zombie has ended.
        guard let state = HostPath.contents("/proc/\(pid)/stat")?.split(separator: ")").last else {
            return false
        }
        return !state.hasPrefix(" Z") && !state.hasPrefix(" X")
    }

    /// The processes that a process has started, and those have, and so on.
    private static func descendants(of pid: pid_t) -> [pid_t] {
        let tasks = "/proc/\(pid)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
        return threads.flatMap { thread -> [pid_t] in
            let list = HostPath.contents("\(tasks)/\(thread)/children") ?? ""
            let children = list.split(separator: " ").compactMap { pid_t($0) }
            return children + children.flatMap(descendants)
        }
    }

    private static func shellStatus(_ status: Int32) -> Int32 {
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }
}

/// A folder for the files between perf and the trace.
struct ScratchFolder {
    private let path: String

    init() throws(RecorderError) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array((parent + "/mooring-record.XXXXXX").utf8CString)
        guard let made = mkdtemp(&template) else {
            throw RecorderError(
                problem: "cannot make a folder in \(parent): \(String(cString: strerror(errno)))",
                remedy: "Set TMPDIR to a folder with room, about 1 GB for a long recording.")
        }
        path = String(cString: made)
    }

    var data: String { path + "/perf.data" }
    var text: String { path + "/perf.txt" }
    var errors: String { path + "/perf.errors" }

    func remove() {
        for file in [data, data + ".old", text, errors] { unlink(file) }
        rmdir(path)
    }
}

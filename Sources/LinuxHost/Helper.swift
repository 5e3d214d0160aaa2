// SPDX-License-Identifier: Apache-2.0
//
// One helper process, seen from the host: its pid, its channel, and what it was told so far.
//
// SEE     CLinuxHost/include/helper_protocol.h (what is said on the channel, where the helper
//         keeps itself), CLinuxHost/helper_serve.c (the other end).

import CLinuxHost
import Glibc
import Mooring
import Workloads

/// The helper is no more: it was killed, or the channel broke.
struct HelperGone: Error, CustomStringConvertible {
    let description =
        "A helper process is gone in the middle of a call. Is the call forbidden here in a way that "
        + "kills (seccomp), or is memory short?"
}

/// A helper's answer.
struct HelperReply {
    /// What the kernel returned: a result, or a negative error number.
    var value: Int64
    /// The signal that ended an access, or 0.
    var signal: Int32
    /// The signal's `si_code`.
    var code: Int32
    /// The signal's `si_addr`.
    var address: UInt64
    /// What the system call wrote to ``Helper/payloadOut``.
    var payload: [UInt8]

    /// The value as an outcome of a system call.
    var outcome: Outcome {
        // LINUX: the last page of numbers are errors: IS_ERR_VALUE().
        guard value < 0, value >= -4095 else { return .value(UInt64(bitPattern: value)) }
        return .failed(Errno(rawValue: Int32(-value)))
    }

    /// Whether the system call failed.
    var failed: Bool { value < 0 && value >= -4095 }
}

/// A process that carries out calls and accesses on request.
final class Helper {
    /// The areas that every helper has for itself.
    static let home = UInt64(HELPER_HOME)..<UInt64(HELPER_HOME + 2 * Int(HELPER_HALF))
    /// The size of each of its two areas: private writable memory, and code.
    static let halfLength = UInt64(HELPER_HALF)
    /// Where the payload of a request is, for system calls that read memory.
    static let payloadIn = UInt64(HELPER_PAYLOAD_IN)
    /// Where system calls may write what comes back.
    static let payloadOut = UInt64(HELPER_PAYLOAD_OUT)
    /// The most that either holds, in bytes.
    static let payloadLimit = Int(HELPER_PAYLOAD_MAX)

    let pid: pid_t
    private let channel: Int32
    private var isReaped = false

    /// The descriptors it was given, by the file they are open on.
    var descriptors: [FileID: Int32] = [:]
    /// Whether it holds CAP_IPC_LOCK; no RLIMIT_MEMLOCK applies then.
    var holdsLockPrivilege = false
    /// Whether the work's process holds it, as far as it was told.
    var isMeantToLock = true
    /// Whether the work's process has other privileges than that, as far as it was told.
    var isAdministrator = true
    /// The faults on its own pages.
    var ownFaults = FaultFigures()
    /// The hard limits it was told to have, which may be below those it really has.
    var hardLimits: [Resource: UInt64] = [:]

    init(pid: pid_t, channel: Int32) {
        self.pid = pid
        self.channel = channel
    }

    deinit {
        end()
        close(channel)
    }

    /// Kills it, unless it is known to be gone: its pid may be another's then.
    func end() {
        guard !isReaped else { return }
        kill(pid, SIGKILL)
        reap()
    }

    // MARK: Requests

    /// Sends one request and waits for the reply.
    ///
    /// - Throws: ``HelperGone``.
    func request(
        _ operation: helper_operation, number: UInt64 = 0,
        _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0,
        _ d: UInt64 = 0, _ e: UInt64 = 0, _ f: UInt64 = 0,
        payload: [UInt8] = [], replyLength: Int = 0, descriptor: Int32 = -1
    ) throws(HelperGone) -> HelperReply {
        precondition(payload.count <= Helper.payloadLimit && replyLength <= Helper.payloadLimit)
        var request = helper_request()
        request.operation = operation.rawValue
        request.payload_length = UInt32(payload.count)
        request.reply_length = UInt32(replyLength)
        request.number = number
        request.arguments = (a, b, c, d, e, f)
        let sent = payload.withUnsafeBytes {
            helper_send(channel, &request, $0.baseAddress, descriptor)
        }
        guard sent == 0 else { throw HelperGone() }
        return try receive(payloadLength: replyLength)
    }

    /// Has it make one system call.
    func call(
        _ call: SystemCall, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0,
        _ d: UInt64 = 0, _ e: UInt64 = 0, _ f: UInt64 = 0,
        payload: [UInt8] = [], replyLength: Int = 0
    ) throws(HelperGone) -> HelperReply {
        try request(
            HELPER_SYSCALL, number: call.rawValue, a, b, c, d, e, f,
            payload: payload, replyLength: replyLength)
    }

    /// Waits for a reply: to a request, or the greeting of a helper that starts afresh.
    func receive(payloadLength: Int = 0) throws(HelperGone) -> HelperReply {
        var reply = helper_reply()
        var payload: [UInt8] = []
        var received: Int32
        if payloadLength == 0 {
            received = helper_receive(channel, &reply, nil, 0)
        } else {
            received = 0
            payload = [UInt8](unsafeUninitializedCapacity: payloadLength) { buffer, count in
                received = helper_receive(
                    channel, &reply, buffer.baseAddress, UInt32(payloadLength))
                count = max(0, Int(received))
            }
        }
        guard received >= 0 else { throw HelperGone() }
        return HelperReply(
            value: reply.value, signal: reply.signal, code: reply.code, address: reply.address,
            payload: payload)
    }

    /// Waits for it to end, once.
    ///
    /// - Returns: The signal that killed it, or 0 if it exited or somebody else waited for it.
    @discardableResult
    func reap() -> Int32 {
        guard !isReaped else { return 0 }
        isReaped = true
        var status: Int32 = 0
        var waited: pid_t
        repeat {
            waited = waitpid(pid, &status, 0)
        } while waited < 0 && errno == EINTR
        return waited == pid ? status & 0x7f : 0
    }

    // MARK: Descriptors and forks

    /// Gives it a descriptor; returns its number there.
    func adopt(_ descriptor: Int32) throws(HelperGone) -> Int32 {
        Int32(truncatingIfNeeded: try request(HELPER_ADOPT, descriptor: descriptor).value)
    }

    /// Has it fork: the child, or the errno of clone(2).
    func fork() throws -> Result<Helper, Errno> { try child(of: HELPER_FORK) }

    /// Has it execute a fresh copy of itself; the errno of execve(2) where that fails.
    func execInPlace() throws -> Result<Helper, Errno> {
        let reply = try request(HELPER_EXEC)
        guard reply.failed else { return .success(self) }
        return .failure(Errno(rawValue: Int32(-reply.value)))
    }

    /// Has it start a process that executes a fresh copy; no memory is copied for it.
    func execApart() throws -> Result<Helper, Errno> {
        let child = try child(of: HELPER_EXEC_APART)
        if case .success(let helper) = child { _ = try helper.receive() }
        return child
    }

    private func child(of operation: helper_operation) throws -> Result<Helper, Errno> {
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) {
            helper_make_channel($0.bindMemory(to: Int32.self).baseAddress)
        }
        guard made == 0 else {
            throw SystemFailure(
                "No channel to a new helper process could be made: \(Errno(rawValue: -made)).")
        }
        defer { close(ends.1) }
        let reply: HelperReply
        do {
            reply = try request(operation, descriptor: ends.1)
        } catch {
            close(ends.0)
            throw error
        }
        guard !reply.failed else {
            close(ends.0)
            return .failure(Errno(rawValue: Int32(-reply.value)))
        }
        let child = Helper(pid: pid_t(reply.value), channel: ends.0)
        child.descriptors = descriptors
        child.holdsLockPrivilege = holdsLockPrivilege
        child.isMeantToLock = isMeantToLock
        child.isAdministrator = isAdministrator
        child.hardLimits = hardLimits
        return .success(child)
    }

    // MARK: The first one

    /// Starts a helper from nothing.
    static func start() throws(SystemFailure) -> Helper {
        let image = helper_make_image()
        guard image >= 0 else {
            throw SystemFailure(
                image == -ENOEXEC
                    ? "The host's kernel can be driven on x86-64 only."
                    : "The helper program could not be written to memory: "
                        + "\(Errno(rawValue: -image)). Are memfd_create(2) and /proc available?")
        }
        defer { close(image) }
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) {
            helper_make_channel($0.bindMemory(to: Int32.self).baseAddress)
        }
        guard made == 0 else {
            throw SystemFailure(
                "No channel to a helper process could be made: \(Errno(rawValue: -made)).")
        }
        let pid = helper_start(image, ends.1)
        close(ends.1)
        guard pid > 0 else {
            close(ends.0)
            throw SystemFailure(
                pid == -EAGAIN
                    ? "This host lets no more processes be made; raise the limit (ulimit -u)."
                    : "A helper process could not be started: \(Errno(rawValue: -pid)). "
                        + "Is executing from a memfd allowed here?")
        }
        let helper = Helper(pid: pid, channel: ends.0)
        do {
            _ = try helper.receive()
            try helper.clear()
        } catch {
            throw SystemFailure(
                "A helper process was started but did not come up. Is executing from a memfd, or "
                    + "mapping memory executable, forbidden here?")
        }
        return helper
    }
}

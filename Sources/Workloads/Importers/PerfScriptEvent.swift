// SPDX-License-Identifier: Apache-2.0

/// What one line of `perf script` says, as far as memory is concerned.
enum PerfScriptEvent {
    /// A system call begins: its name without `sys_enter_`, and its arguments in order.
    case enter(String, SIMD8<UInt64>)
    /// A system call ends with this value, or with the negative of an error's number.
    case exit(String, Int64)
    /// A fault at a user address; the error code is the processor's.
    case fault(address: UInt64, code: UInt64)
    /// A thread has taken the lock that whoever changes areas of its address space needs.
    case locked
    /// A new total of one kind of resident memory of an address space.
    case resident(space: UInt64, isOwn: Bool, kind: ResidentKind, bytes: Int64)
    /// The search for room in an address space, which begins at `top`.
    case unmappedArea(top: UInt64)
    /// An area as the kernel sees it after it was made, merged with what it touches.
    case area(PerfScriptArea)
    /// A thread has a new name, because of execve or because somebody gave it one.
    case name(String, thread: Int32, isExec: Bool)
    /// A task was made, with the flags of clone(2).
    case newTask(thread: Int32, flags: UInt64)
    /// A thread ends, and with it its process if it was the last one.
    case threadEnd(isLast: Bool)
    /// A signal was sent to a thread, with the `si_code` that says why.
    case signal(number: Int64, code: Int64, thread: Int32)
    /// The kernel dropped events here.
    case lost
    /// A fact that the recorder added about the recording: `# mooring: …`.
    case note(PerfScriptNote)
    /// Nothing that concerns memory.
    case other

    /// The kinds of resident memory that the kernel counts.
    enum ResidentKind: Int {
        case anonymous
        case file
        case sharedMemory
    }
}

/// What the recorder knows and the events do not tell.
enum PerfScriptNote {
    case command(String)
    case source(String)
    case file(PerfScriptFileKey, length: UInt64)
    case lockPrivilege(Bool)
}

/// Which file an area is of: device and inode, and its generation, since inodes are reused.
struct PerfScriptFileKey: Hashable {
    var device: UInt64
    var inode: UInt64
}

/// An area as a record `PERF_RECORD_MMAP2` describes it.
struct PerfScriptArea {
    var start: UInt64
    var length: UInt64
    var offset: UInt64
    var key: PerfScriptFileKey
    /// `PROT_READ`, `PROT_WRITE` and `PROT_EXEC` as bits 1, 2 and 4.
    var rights: UInt32
    var isShared: Bool
    var name: String

    var end: UInt64 { start &+ length }
    /// Whether the area shows a file's pages, or a segment's.
    var hasFile: Bool { key.inode != 0 && name != "//anon" }
}

/// One line: who, when, what.
struct PerfScriptLine {
    /// The process: the thread group's number.
    var process: Int32 = 0
    var thread: Int32 = 0
    /// Nanoseconds on the recording kernel's clock.
    var time: UInt64 = 0
    var event = PerfScriptEvent.other
}

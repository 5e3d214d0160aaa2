// SPDX-License-Identifier: Apache-2.0
//
// Where the engine gets its memory. The functions at the end have the names of the standard
// library's and stand before them everywhere in this module, so that no allocation of flat memory
// goes past here, and an explorer can keep a machine in memory that it puts back.

import Synchronization

/// The host's memory, as the engine asks for it.
package enum HostMemory {
    /// Memory of a size and alignment in bytes, or none to have it from the host.
    package typealias Source = @convention(c) (Int, Int) -> UnsafeMutableRawPointer?
    /// Whether memory came from the source, which takes nothing back.
    package typealias Ownership = @convention(c) (UnsafeMutableRawPointer) -> Bool

    private static let source = Atomic<UInt>(0)
    private static let ownership = Atomic<UInt>(0)

    /// Asks `source` first from now on, on every thread.
    package static func install(_ source: Source, owns ownership: Ownership) {
        self.ownership.store(
            UInt(bitPattern: unsafeBitCast(ownership, to: UnsafeRawPointer.self)),
            ordering: .sequentiallyConsistent)
        self.source.store(
            UInt(bitPattern: unsafeBitCast(source, to: UnsafeRawPointer.self)),
            ordering: .sequentiallyConsistent)
    }

    @inline(never)
    fileprivate static func allocate(byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
        if let pointer = UnsafeRawPointer(bitPattern: source.load(ordering: .acquiring)) {
            // SAFETY: `install` stored nothing but a `Source` there.
            if let memory = unsafeBitCast(pointer, to: Source.self)(byteCount, alignment) {
                return memory
            }
        }
        // The buffer's own function, since the pointer's would lead back here.
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, byteCount), alignment: alignment)
        return buffer.baseAddress.unsafelyUnwrapped
    }

    @inline(never)
    fileprivate static func deallocate(_ memory: UnsafeMutableRawPointer) {
        if let pointer = UnsafeRawPointer(bitPattern: ownership.load(ordering: .acquiring)) {
            // SAFETY: `install` stored nothing but an `Ownership` there.
            if unsafeBitCast(pointer, to: Ownership.self)(memory) { return }
        }
        UnsafeMutableRawBufferPointer(start: memory, count: 1).deallocate()
    }
}

extension UnsafeMutableRawPointer {
    static func allocate(byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
        HostMemory.allocate(byteCount: byteCount, alignment: alignment)
    }

    func deallocate() { HostMemory.deallocate(self) }
}

extension UnsafeMutablePointer where Pointee: ~Copyable {
    static func allocate(capacity count: Int) -> UnsafeMutablePointer<Pointee> {
        HostMemory.allocate(
            byteCount: count * MemoryLayout<Pointee>.stride,
            alignment: max(16, MemoryLayout<Pointee>.alignment)
        ).bindMemory(to: Pointee.self, capacity: count)
    }

    func deallocate() { HostMemory.deallocate(UnsafeMutableRawPointer(self)) }
}

extension UnsafePointer where Pointee: ~Copyable {
    func deallocate() { HostMemory.deallocate(UnsafeMutableRawPointer(mutating: self)) }
}

// SPDX-License-Identifier: Apache-2.0
//
// Memory that a handle points at.

extension UnsafeMutablePointer {
    /// Memory of its own for one value; `deallocate` gives it back.
    ///
    /// A mechanism keeps its constant parts so: held by value, they would be copied for every call.
    init(holding value: consuming Pointee) {
        self = .allocate(capacity: 1)
        initialize(to: value)
    }

    /// Whether an address of the host lies in the value.
    func contains(_ address: UInt) -> Bool {
        address &- UInt(bitPattern: self) < UInt(MemoryLayout<Pointee>.stride)
    }
}

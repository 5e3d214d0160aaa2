// SPDX-License-Identifier: Apache-2.0
//
// The fields that a claim may name are those of the engine's own views: what a view gains, a
// scenario can ask for. A kernel that lacks one is found out when the claim is held against it.

import Mooring

/// The names of the fields of each view.
struct ViewFields {
    let status: [String]
    let rollup: [String]
    let smaps: [String]
    let meminfo: [String]
    let vmstat: [String]

    static let all = ViewFields()

    private init() {
        guard let machine = try? Machine(.init(memory: .mebibytes(4))) else {
            preconditionFailure("a machine of 4 MiB is possible")
        }
        let task = machine.spawn()
        // smaps of nothing has no fields.
        _ = try? task.mmap(
            length: .kibibytes(4), protection: .read, flags: [.private, .anonymous])
        status = ViewText.fields(of: task.status())
        rollup = ViewText.areas(task.smapsRollup()).flatMap { $0.fields.keys.map(String.init) }
        smaps = ViewText.areas(task.smaps()).first.map { $0.fields.keys.map(String.init) } ?? []
        meminfo = ViewText.fields(of: machine.meminfo())
        vmstat = ViewText.counters(machine.vmstat()).keys.sorted()
    }
}

// SPDX-License-Identifier: Apache-2.0
//
// A generator of work that no program would do: any call, with any argument, in a few small
// places so that what one call leaves behind is in the way of the next.
//
// Operations name addresses absolutely, so that any part of a list can be carried out without the
// rest: that is what reduces a failure (`Reduction`). What is chosen depends on what processes
// show and on what was tried before: of a few random calls the one whose situation is rarest.

import Mooring
import Workloads

/// Makes random operations, one after another.
package struct RandomWork {
    /// The calls that are made.
    private let calls: Set<CallKind>
    /// Calls that must not be made, for whichever reason.
    private let isRefused: (Call, [AreaState]) -> Bool
    private var living: [ProcessID] = []
    private var lastProcess: Int32 = 0
    private var hasFiles = false
    private let permissions: ProcessPermissions

    /// - Parameters:
    ///   - calls: The calls to make; those that a process needs to have anything to work on are
    ///     made besides.
    ///   - permissions: What processes may have.
    ///   - isRefused: Says of a call, and of what the process shows, that it must not be made.
    package init(
        calls: Set<CallKind>, permissions: ProcessPermissions = ProcessPermissions(),
        refusing isRefused: @escaping (Call, [AreaState]) -> Bool
    ) {
        self.permissions = permissions
        self.calls = calls.union([.mmap, .access, .spawn, .exit])
        self.isRefused = isRefused
    }

    /// Brings the file on a disk into the page cache: what a host reads from a disk besides what is
    /// wanted is a known difference.
    private static let filling = Call.writeFile(
        WorkFiles.disk, offset: 0, length: WorkFiles.diskLength)

    /// Whether a part of some work still fills the file on a disk before anything maps it.
    static func isGrounded(_ operations: [Operation]) -> Bool {
        var living: Set<ProcessID> = []
        for operation in operations {
            switch operation.call {
            case .spawn: living.insert(operation.process)
            case filling where living.contains(operation.process): return true
            case .mmap(_, _, _, _, WorkFiles.disk, _): return false
            default: break
            }
        }
        return true
    }

    /// How many calls are thought of for each that is made.
    private static let candidates = 3
    /// How many processes live at once.
    private static let processLimit = 4
    /// How many processes a host has to allow at once: one more, from which new ones are made.
    package static let mostProcesses = processLimit + 1

    /// The next operations: most often one.
    package mutating func next(
        seeing states: [ProcessID: ProcessState], _ coverage: Coverage,
        using random: inout some RandomNumberGenerator
    ) -> [Operation] {
        if !hasFiles {
            hasFiles = true
            let files = WorkFiles.all.map {
                Operation(.none, .createFile($0.id, $0.description))
            }
            let first = spawn()
            return files + first + [Operation(first[0].process, Self.filling)]
        }
        living.removeAll { states[$0] == nil && $0.rawValue < lastProcess }
        guard let process = living.randomElement(using: &random) else { return spawn() }
        let areas = states[process]?.areas ?? []
        var best = call(of: process, areas, &random)
        if random.isLikely(70) {
            var rarity = coverage.count(of: Situation(best, in: areas))
            for _ in 1..<Self.candidates where rarity > 0 {
                let other = call(of: process, areas, &random)
                let count = coverage.count(of: Situation(other, in: areas))
                if count < rarity { (best, rarity) = (other, count) }
            }
        }
        return operations(best, of: process)
    }

    /// A call that may be made.
    private func call(
        of process: ProcessID, _ areas: [AreaState], _ random: inout some RandomNumberGenerator
    ) -> Call {
        let maker = CallMaker(areas: areas, permissions: permissions)
        while true {
            let call = maker.call(&random)
            switch call {
            case .setLockPrivilege(true):
                guard permissions.lockPrivilege else { continue }
            case .setAdministrator(true):
                guard permissions.administrator else { continue }
            default: break
            }
            if calls.contains(call.kind), !isRefused(call, areas) { return call }
        }
    }

    /// A call as operations, with what has to come before it.
    private mutating func operations(_ call: Call, of process: ProcessID) -> [Operation] {
        switch call {
        case .spawn:
            return living.count < Self.processLimit ? spawn() : []
        case .fork:
            guard living.count < Self.processLimit else { return [] }
            lastProcess += 1
            let child = ProcessID(rawValue: lastProcess)
            living.append(child)
            return [Operation(process, .fork(child: child, sharesMemory: false))]
        case .exit:
            living.removeAll { $0 == process }
            return [Operation(process, .exit)]
        case .exec:
            // A program for whose loading the limits leave no room is killed.
            return [.addressSpace, .data, .stack].map { Operation(process, usualLimit($0)) }
                + [Operation(process, call)]
        case .setLimit(.memlock, _, let hard?) where hard > WorkPlaces.hardLockLimit:
            // Where nobody may raise a limit, those that might elsewhere do not try.
            return (permissions.higherLimits ? [] : [Operation(process, .setAdministrator(false))])
                + [Operation(process, call)]
        default:
            return [Operation(process, call)]
        }
    }

    /// A process, without what the host may have given to those who run the tests.
    private mutating func spawn() -> [Operation] {
        lastProcess += 1
        let process = ProcessID(rawValue: lastProcess)
        living.append(process)
        let calls: [Call] =
            [.spawn, .setLockPrivilege(false), usualLimit(.memlock)]
            + Resource.allCases.filter { $0 != .memlock && permissions.hardLimits[$0] != nil }
            .map(usualLimit)
            + (permissions.administrator ? [] : [.setAdministrator(false)])
        return calls.map { Operation(process, $0) }
    }

    private func usualLimit(_ resource: Resource) -> Call {
        .setLimit(
            resource, soft: permissions.usualLimit(resource),
            hard: permissions.hardLimit(resource))
    }
}

/// The files that every list of operations starts by making.
enum WorkFiles {
    typealias File = (id: FileID, description: FileDescription)

    static let readWrite = FileID(rawValue: 1)
    static let readOnly = FileID(rawValue: 2)
    static let writeOnly = FileID(rawValue: 3)
    static let disk = FileID(rawValue: 4)
    static let segment = FileID(rawValue: 5)
    static let sealable = FileID(rawValue: 6)

    static let diskLength = 12 * pageSize

    static let all: [File] = [
        (readWrite, FileDescription(kind: .memory, length: 16 * pageSize, name: "a")),
        (readOnly, FileDescription(kind: .memory, length: 8 * pageSize, name: "b", access: .read)),
        (
            writeOnly,
            FileDescription(kind: .memory, length: 4 * pageSize, name: "c", access: .write)
        ),
        (disk, FileDescription(kind: .disk, length: diskLength, name: "d")),
        (segment, FileDescription(kind: .sharedMemory, length: 6 * pageSize, name: "e")),
        (
            sealable,
            FileDescription(kind: .memory, length: 6 * pageSize, name: "g", isSealable: true)
        ),
    ]
}

extension RandomNumberGenerator {
    /// A number from 0 up to a bound that is never reached.
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    /// Whether something happens that happens so often in a hundred times.
    mutating func isLikely(_ percent: Int) -> Bool { below(100) < percent }

    /// One of a list that is not empty.
    mutating func one<Element>(of list: [Element]) -> Element { list[below(list.count)] }
}

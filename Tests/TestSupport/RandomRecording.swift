// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

/// Makes recordings that hold every kind of call with every kind of argument, sensible or not.
package struct RandomRecording {
    private var random: SeededRandom

    /// How many kinds of call ``call(_:)`` knows.
    package static let callKinds = 36

    package init(random: SeededRandom) { self.random = random }

    /// A recording of `count` steps; the first ones run through all kinds of call.
    package mutating func recording(steps count: Int) -> Recording {
        var recording = Recording(command: text(), source: text())
        for index in 0..<count {
            let kind = index < Self.callKinds ? index : Int.random(in: 0..<40, using: &random)
            recording.steps.append(
                Step(
                    time: chance(20) ? number() : UInt64(index) &* 1500,
                    thread: chance(10) ? small() : 7,
                    Operation(
                        ProcessID(rawValue: chance(10) ? small() : 7), call(kind),
                        binds: chance(8) ? RegionID(rawValue: small()) : nil,
                        cpu: chance(8) ? Int.random(in: 0..<1024, using: &random) : nil),
                    recorded: outcome()))
        }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            recording.processes.append(
                RecordedProcess(
                    process: ProcessID(rawValue: small()),
                    image: Int.random(in: 0...5, using: &random), name: text(),
                    peakResident: chance(2) ? number() : nil,
                    lastResident: chance(2)
                        ? ResidentFigures(
                            anonymous: number(), file: number(), sharedMemory: number()) : nil))
        }
        return recording
    }

    private mutating func chance(_ oneIn: Int) -> Bool {
        Int.random(in: 0..<oneIn, using: &random) == 0
    }

    /// A number of any magnitude, extremes included.
    private mutating func number() -> UInt64 {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: 0
        case 1: .max
        case 2: 4096 * UInt64.random(in: 0...1000, using: &random)
        default: random.next() >> UInt64.random(in: 0...63, using: &random)
        }
    }

    private mutating func small() -> Int32 {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: .max
        case 1: .min
        default: Int32.random(in: -3...300, using: &random)
        }
    }

    private mutating func bits() -> UInt32 { UInt32(truncatingIfNeeded: number()) }

    private mutating func text() -> String {
        ["", "a", "/usr/bin/é", "mooring", "a\nb"].randomElement(using: &random) ?? ""
    }

    private mutating func protection() -> Protection { Protection(rawValue: bits()) }
    private mutating func file() -> FileID { FileID(rawValue: small()) }

    private mutating func span() -> Span {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: .region(RegionID(rawValue: small()))
        case 1: .part(RegionID(rawValue: small()), offset: offset(), length: number())
        default: .absolute(address: number(), length: chance(3) ? number() : 1)
        }
    }

    private mutating func offset() -> Int64 { Int64(bitPattern: number()) }

    private mutating func address() -> Address {
        chance(3)
            ? .region(RegionID(rawValue: small()), offset: offset()) : .absolute(number())
    }

    private mutating func limit() -> UInt64? { chance(2) ? nil : number() }

    private mutating func outcome() -> Outcome? {
        switch Int.random(in: 0..<9, using: &random) {
        case 0: nil
        case 1: .value(number())
        case 2: .failed(Errno(rawValue: small()))
        case 3:
            .signal(
                Signal.allCases.randomElement(using: &random) ?? .outOfMemory, address: number())
        case 4:
            .pages((0..<Int.random(in: 0...20, using: &random)).map { _ in bit() })
        case 5: .pages([0, 255, 3])
        case 6: .nodes([0, small(), -14])
        default: .value(0)
        }
    }

    private mutating func bit() -> UInt8 { UInt8.random(in: 0...1, using: &random) }

    private mutating func image() -> ExecImage {
        var image = ExecImage(name: text(), areas: [], mapTop: number(), breakStart: number())
        for purpose in ExecImage.Area.Purpose.allCases where chance(2) {
            image.areas.append(
                .init(
                    address: number(), length: number(), protection: protection(),
                    file: chance(2) ? file() : nil, fileOffset: number(), purpose: purpose))
        }
        return image
    }

    /// A call of the kind numbered `kind`; an access if there is no such number.
    package mutating func call(_ kind: Int) -> Call {
        switch kind {
        case 0:
            .mmap(
                address: address(), length: number(), protection: protection(),
                flags: MapFlags(rawValue: bits()), file: chance(2) ? file() : nil,
                offset: number())
        case 1: .munmap(span())
        case 2: .mprotect(span(), protection())
        case 3:
            .mremap(
                span(), newLength: number(), flags: RemapFlags(rawValue: bits()),
                newAddress: address())
        case 4: .madvise(span(), Advice(rawValue: small()))
        case 5: .brk(address())
        case 6: .mincore(span())
        case 7: .msync(span(), SyncFlags(rawValue: bits()))
        case 8: .mlock(span())
        case 9: .mlock2(span(), LockFlags(rawValue: bits()))
        case 10: .munlock(span())
        case 11: .mlockall(LockAllFlags(rawValue: bits()))
        case 12: .munlockall
        case 13:
            .remapFilePages(
                span(), protection: protection(), pageOffset: number(),
                flags: MapFlags(rawValue: bits()))
        case 14: .movePages(span(), node: chance(2) ? small() : nil, flags: bits())
        case 15: .migratePages(from: number(), to: number())
        case 16: .mbind(span(), mode: small(), nodes: number(), flags: bits())
        case 17:
            .createFile(
                file(),
                FileDescription(
                    kind: FileDescription.Kind.allCases.randomElement(using: &random) ?? .disk,
                    length: number(), name: text(), access: protection(),
                    isCached: chance(2), isSealable: chance(3),
                    largeFolios: chance(3) ? [0..<16, 32..<512] : []))
        case 18: .ftruncate(file(), length: number())
        case 19: .punchHole(file(), offset: number(), length: number())
        case 20: .readFile(file(), offset: number(), length: number())
        case 21: .writeFile(file(), offset: number(), length: number())
        case 22: .shmat(file(), address: address(), flags: AttachFlags(rawValue: bits()))
        case 23: .shmdt(address())
        case 24: .shmLock(file(), locked: chance(2))
        case 25: .store(span(), seed: number())
        case 26: .load(span())
        case 27: .spawn
        case 28: .fork(child: ProcessID(rawValue: small()), sharesMemory: chance(2))
        case 29: .exec(image())
        case 30: .exit
        case 31:
            .setLimit(
                Resource.allCases.randomElement(using: &random) ?? .data, soft: limit(),
                hard: limit())
        case 32: .setLockPrivilege(chance(2))
        case 33: .seal(file(), FileSeals(rawValue: bits()))
        case 34: .setAdministrator(chance(2))
        default:
            .access(span(), AccessKind.allCases.randomElement(using: &random) ?? .read)
        }
    }
}

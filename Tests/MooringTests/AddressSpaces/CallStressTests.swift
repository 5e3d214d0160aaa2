// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct CallStressTests {
    @Test(arguments: TreeRandom.seeds)
    func `bytes and errors of random calls by several processes are a naive model's`(
        seed: UInt64
    ) throws {
        print("Calls: MOORING_SEED=\(seed)")
        var stress = try CallStress(seed: seed)
        for step in 1...4000 {
            try stress.step()
            if step % 100 == 0 { try stress.check() }
        }
        try stress.finish()
    }
}

/// Several processes of one machine and what each should see.
private struct CallStress {
    struct Actor {
        let task: Machine.Task
        var shadow: ShadowSpace
    }

    static let pages = 96
    static let filePages = 24
    let bench: CallBench
    var random: TreeRandom
    var actors: [Actor]
    /// Files that are mapped shared, and one of each kind that is only mapped private.
    var files: [(file: Machine.File, store: ShadowSpace.Store, isShared: Bool)] = []
    var journal: [String] = []
    /// The arena lies across a border of page tables.
    let firstPage: Int

    init(seed: UInt64) throws {
        bench = try CallBench(memory: .mebibytes(128))
        random = TreeRandom(seed: seed)
        actors = [Actor(task: bench.task, shadow: ShadowSpace())]
        firstPage = 512 - CallStress.pages / 2
        for kind in [FileKind.memory, .disk] {
            for isShared in [true, false] {
                let file = bench.machine.makeFile(
                    named: "f", kind: kind, length: .pages(UInt64(CallStress.filePages)))
                let store = ShadowSpace.Store(pages: CallStress.filePages, fill: isShared ? 0 : 77)
                if !isShared {
                    let region = try bench.map(
                        0, CallStress.filePages, [.read, .write], .shared, file: file)
                    for page in 0..<CallStress.filePages {
                        try bench.task.write(
                            [UInt8](repeating: 77, count: Int(pageSize)),
                            at: bench.region(page, 1).address)
                    }
                    try bench.task.munmap(region)
                }
                files.append((file, store, isShared))
            }
        }
    }

    private func region(_ range: Range<Int>) -> Region {
        bench.region(firstPage + range.lowerBound, range.count)
    }

    private mutating func range(most: Int = 24) -> Range<Int> {
        let length = 1 + random.below(most)
        let start = random.below(CallStress.pages - length + 1)
        return start..<start + length
    }

    private mutating func rights() -> Protection {
        [[.read, .write], [.read, .write], .read, .none, [.read, .execute]][random.below(5)]
    }

    /// Runs a call and compares its error with the model's.
    private mutating func expect(
        _ error: Errno?, _ what: String, _ call: () throws(Errno) -> Void
    ) {
        journal.append("\(what) => \(error.map { "\($0)" } ?? "ok")")
        do throws(Errno) {
            try call()
            #expect(error == nil, "\(journal.suffix(12))")
        } catch let thrown {
            #expect(thrown == error, "\(journal.suffix(12))")
        }
    }

    mutating func step() throws {
        let index = random.below(actors.count)
        var actor = actors[index]
        switch random.below(26) {
        case 0...3: map(&actor)
        case 4: unmap(&actor)
        case 5...7: protect(&actor)
        case 8...9: move(&actor)
        case 10: resize(&actor)
        case 11...13: advise(&actor)
        case 14...15: lock(&actor)
        case 16: fork(actor)
        case 17:
            if actors.count > 1 {
                actor.task.exit()
                actors.remove(at: index)
                return
            }
        case 18: try truncate()
        case 19: sync(&actor)
        default: access(&actor)
        }
        actors[index] = actor
    }

    // MARK: Calls

    private mutating func map(_ actor: inout Actor) {
        let range = range()
        let rights = rights()
        var flags: MapFlags = [.fixed]
        let choice = random.below(7)
        var page = ShadowSpace.Page(backing: .anonymous(0), rights: rights)
        var file: Machine.File?
        var offset = 0
        var makeBacking: (Int) -> ShadowSpace.Page.Backing = { _ in .anonymous(0) }
        switch choice {
        case 0...2: flags.formUnion([.private, .anonymous])
        case 3:
            flags.formUnion([.shared, .anonymous])
            let store = ShadowSpace.Store(pages: range.count)
            makeBacking = { .shared(store, $0) }
        default:
            let chosen = files[random.below(files.count)]
            offset = random.below(max(1, CallStress.filePages - range.count + 1))
            if offset + range.count > CallStress.filePages { return }
            file = chosen.file
            flags.insert(chosen.isShared ? .shared : .private)
            let first = offset
            makeBacking = {
                chosen.isShared
                    ? .shared(chosen.store, first + $0) : .copy(chosen.store, first + $0, nil)
            }
        }
        if random.below(8) == 0 {
            flags.insert(.locked)
            page.isLocked = true
        }
        let place = region(range)
        let task = actor.task
        expect(nil, "mmap \(range) \(flags.rawValue) \(rights.rawValue)") { () throws(Errno) in
            _ = try task.mmap(
                address: place.address, length: place.length, protection: rights, flags: flags,
                file: file, offset: UInt64(offset) * pageSize)
        }
        for number in range {
            page.backing = makeBacking(number - range.lowerBound)
            actor.shadow.pages[number] = page
        }
    }

    private mutating func unmap(_ actor: inout Actor) {
        let range = range()
        let place = region(range)
        let task = actor.task
        actor.shadow.unmap(range)
        expect(nil, "munmap \(range)") { () throws(Errno) in try task.munmap(place) }
    }

    private mutating func protect(_ actor: inout Actor) {
        let range = range()
        let rights = rights()
        let place = region(range)
        let task = actor.task
        let error = actor.shadow.upToHole(range) { $0.rights = rights }
        expect(error, "mprotect \(range) \(rights.rawValue)") { () throws(Errno) in
            try task.mprotect(place, rights)
        }
    }

    private mutating func move(_ actor: inout Actor) {
        let range = range()
        let target = random.below(CallStress.pages - range.count + 1)
        // The model does not know the borders of VMAs, of which DONTUNMAP unlocks whole ones.
        let hasLocks = actor.shadow.pages.values.contains { $0.isLocked }
        let keepsSource = random.below(3) == 0 && !hasLocks
        let place = region(range)
        let address = region(target..<target + 1).address
        let task = actor.task
        let overlaps = target < range.upperBound && range.lowerBound < target + range.count
        let error =
            overlaps
            ? .EINVAL : actor.shadow.move(range, to: target, keepsSource: keepsSource)
        expect(error, "mremap \(range) to \(target) keeps \(keepsSource)") { () throws(Errno) in
            try task.mremap(
                place, to: .bytes(place.length),
                keepsSource ? [.mayMove, .fixed, .dontUnmap] : [.mayMove, .fixed], at: address)
        }
    }

    /// Grows or shrinks in place; the model does not know the borders of VMAs, so that it only
    /// follows what succeeds.
    private mutating func resize(_ actor: inout Actor) {
        let range = range()
        let length = 1 + random.below(CallStress.pages - range.lowerBound)
        let place = region(range)
        journal.append("mremap \(range) length \(length)")
        do throws(Errno) {
            try actor.task.mremap(place, to: .pages(UInt64(length)))
        } catch { return }
        if length < range.count {
            actor.shadow.unmap(range.lowerBound + length..<range.upperBound)
        }
        guard length > range.count, let last = actor.shadow.pages[range.upperBound - 1] else {
            return
        }
        for number in range.upperBound..<range.lowerBound + length {
            var page = last
            page.isGuard = false
            let distance = number - range.upperBound + 1
            switch last.backing {
            case .anonymous: page.backing = .anonymous(0)
            case .copy(let store, let offset, _):
                page.backing = .copy(store, offset + distance, nil)
            case .shared(let store, let offset): page.backing = .shared(store, offset + distance)
            }
            actor.shadow.pages[number] = page
        }
        // Beyond the end of its file nothing can be said of a page: it goes again.
        for number in range.upperBound..<range.lowerBound + length {
            guard let page = actor.shadow.pages[number] else { continue }
            let isBeyond =
                switch page.backing {
                case .anonymous: false
                case .copy(let store, let offset, _), .shared(let store, let offset):
                    offset >= store.bytes.count
                }
            if isBeyond {
                actor.shadow.pages[number] = nil
                expect(nil, "munmap \(number)") { () throws(Errno) in }
                _ = try? actor.task.munmap(region(number..<number + 1))
            }
        }
    }

    private mutating func advise(_ actor: inout Actor) {
        let range = range()
        let place = region(range)
        let task = actor.task
        let advices: [Advice] = [
            .dontNeed, .dontNeed, .dontNeedLocked, .free, .free, .remove, .dontFork, .doFork,
            .wipeOnFork, .keepOnFork, .guardInstall, .guardRemove, .guardRemove, .random, .normal,
            .mergeable, .unmergeable, .hugePage, .noHugePage, .willNeed, .cold,
        ]
        let advice = advices[random.below(advices.count)]
        let error = actor.shadow.advise(range) { page in
            switch advice {
            case .dontNeed, .dontNeedLocked:
                if page.isLocked, advice == .dontNeed { return .EINVAL }
                page.discard()
            case .free: if page.isLocked || !page.isPrivateAnonymous { return .EINVAL }
            case .remove:
                if page.isLocked { return .EINVAL }
                switch page.backing {
                case .anonymous: return .EINVAL
                case .copy: return .EACCES
                case .shared(let store, let offset): store.bytes[offset] = 0
                }
            case .dontFork: page.isLeftOut = true
            case .doFork: page.isLeftOut = false
            case .wipeOnFork:
                if !page.isPrivateAnonymous { return .EINVAL }
                page.isWiped = true
            case .keepOnFork: page.isWiped = false
            case .guardInstall:
                if page.isLocked { return .EINVAL }
                page.discard()
                page.isGuard = true
            case .guardRemove: page.isGuard = false
            case .cold: if page.isLocked { return .EINVAL }
            default: break
            }
            return nil
        }
        expect(error, "madvise \(range) \(advice.rawValue)") { () throws(Errno) in
            try task.madvise(place, advice)
        }
    }

    private mutating func lock(_ actor: inout Actor) {
        let range = range()
        let place = region(range)
        let isLocked = random.below(2) == 0
        let task = actor.task
        if random.below(8) == 0 {
            journal.append("m(un)lockall \(isLocked)")
            if isLocked {
                _ = try? task.mlockall(random.below(2) == 0 ? .current : [.current, .onFault])
            } else {
                task.munlockall()
            }
            for number in actor.shadow.pages.keys {
                actor.shadow.pages[number]?.isLocked = isLocked
            }
            return
        }
        let onFault = random.below(2) == 0
        var error = actor.shadow.upToHole(range) { $0.isLocked = isLocked }
        if isLocked, !onFault, error == nil {
            // Populating fails at the first page that nobody may touch.
            let isTouchable = range.allSatisfy {
                guard let page = actor.shadow.pages[$0] else { return false }
                return !page.rights.isEmpty && !page.isGuard
            }
            if !isTouchable { error = .ENOMEM }
        }
        expect(error, "m(un)lock \(range) \(isLocked) on fault \(onFault)") { () throws(Errno) in
            if isLocked {
                try task.mlock(place, onFault: onFault)
            } else {
                try task.munlock(place)
            }
        }
    }

    private mutating func fork(_ actor: Actor) {
        guard actors.count < 5, let child = try? actor.task.fork() else { return }
        journal.append("fork")
        actors.append(Actor(task: child, shadow: actor.shadow.forked()))
    }

    private mutating func truncate() throws {
        let chosen = files[random.below(files.count)]
        guard chosen.isShared else { return }
        let length = random.below(CallStress.filePages)
        journal.append("truncate to \(length)")
        try chosen.file.truncate(to: .pages(UInt64(length)))
        try chosen.file.truncate(to: .pages(UInt64(CallStress.filePages)))
        for page in length..<CallStress.filePages { chosen.store.bytes[page] = 0 }
    }

    private mutating func sync(_ actor: inout Actor) {
        let range = range()
        let place = region(range)
        let task = actor.task
        let error: Errno? =
            range.allSatisfy { actor.shadow.pages[$0] != nil } ? nil : .ENOMEM
        expect(error, "msync \(range)") { () throws(Errno) in try task.msync(place, .sync) }
        expect(error, "mincore \(range)") { () throws(Errno) in _ = try task.mincore(place) }
    }

    // MARK: Accesses

    private mutating func access(_ actor: inout Actor) {
        for number in range(most: 8) {
            let address = region(number..<number + 1).address + UInt64(random.below(4096))
            let isWrite = random.below(3) != 0
            let page = actor.shadow.pages[number]
            journal.append("\(isWrite ? "write" : "read") \(number)")
            if isWrite {
                let byte = UInt8(truncatingIfNeeded: random.next())
                let signal = signal(of: page, .write)
                do throws(AccessFailure) {
                    // The model knows one byte a page: all of it is written.
                    try actor.task.write(
                        [UInt8](repeating: byte, count: Int(pageSize)), at: address.pageAligned)
                    #expect(signal == nil, "\(journal.suffix(12))")
                    actor.shadow.pages[number]?.write(byte)
                } catch {
                    #expect(error.signal == signal, "\(journal.suffix(12))")
                }
            } else {
                compare(actor, number, at: address)
            }
        }
    }

    private func signal(of page: ShadowSpace.Page?, _ kind: AccessKind) -> Signal? {
        guard let page else { return .segmentationUnmapped }
        let isAllowed = kind == .write ? page.rights.contains(.write) : !page.rights.isEmpty
        if !isAllowed { return .segmentationProtected }
        return page.isGuard ? .segmentationUnmapped : nil
    }

    private func compare(_ actor: Actor, _ number: Int, at address: UInt64) {
        let page = actor.shadow.pages[number]
        let signal = signal(of: page, .read)
        do throws(AccessFailure) {
            let byte = try actor.task.read(1, at: address)[0]
            #expect(signal == nil, "\(journal.suffix(12))")
            #expect(byte == page?.value, "page \(number): \(journal.suffix(24))")
        } catch {
            #expect(error.signal == signal, "page \(number): \(journal.suffix(12))")
        }
    }

    // MARK: Checks

    /// Audits the machine, and now and then reads every byte.
    mutating func check() throws {
        do {
            try bench.machine.audit()
        } catch {
            print(journal.suffix(100).joined(separator: "\n"))
            throw error
        }
        guard random.below(4) == 0 else { return }
        for actor in actors {
            for number in 0..<CallStress.pages {
                compare(actor, number, at: region(number..<number + 1).address)
            }
        }
        try bench.machine.audit()
    }

    mutating func finish() throws {
        for actor in actors { actor.task.exit() }
        for entry in files { entry.file.close() }
        bench.machine.drainBatches()
        try bench.machine.audit()
        #expect(bench.committed == 0)
        #expect(bench.machine.spaces.vmas.liveCount == 0)
        #expect(bench.machine.spaces.groups.groups.liveCount == 0)
        #expect(bench.machine.spaces.groups.links.liveCount == 0)
    }
}
